"""The commands that make and measure models: `kshot train` and `kshot evaluate`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service import screen
from service.data_sets import CACHE, Cache, with_data

if TYPE_CHECKING:
    from models.training.evaluate import Read
    from models.training.ranks import Ranks
    from models.training.train import Run

LEDGER = Path("docs/results.md")
PACKAGE = Path(__file__).parent  # in a checkout, wherever the command is called, or installed
OWN = "own"  # the recipe for a user's own data


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A model that ships, omniglot, or own, which --data implies.", show_default=False),
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option("--data", help="Your own labelled data: a folder of images, .csv or .jsonl.", show_default=False),
    ] = None,
    chosen: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An argument of the recipe; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to work.", show_default="runs/MODEL")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was cut short there; start if there is none.")
    ] = False,
    from_tasks: Annotated[
        bool, typer.Option("--from-tasks", help="Go on with a model, on the stored tasks of a tenant who allows it.")
    ] = False,
    tenant: Annotated[str, typer.Option(help="Whose, with --from-tasks.")] = "default",
    cache: Cache = CACHE,
) -> None:
    """Meta-train a model by its recipe; the result is a folder that KSHOT_MODELS can hold."""
    from models.training.ranks import joined

    if from_tasks:
        if recipe is None or own is not None or resume:
            raise typer.BadParameter("--from-tasks takes the name of a model, and neither --data nor --resume.")
        work = out or Path("runs") / f"{recipe}-from-tasks"
        if why := _ended(work, resume=False):
            raise typer.BadParameter(why)
        from service.from_tasks import train_from_tasks

        train_from_tasks(recipe, tenant, arguments_of(chosen or []), work)
        return
    if (recipe or OWN) == OWN and own is None:
        raise typer.BadParameter("Name a recipe, or data of your own with --data.")
    with joined() as ranks:
        run = ranks.in_turn(lambda: _made(recipe or OWN, own, arguments_of(chosen or []), cache))
        folder = out or Path("runs") / run.card.name
        ended = ranks.from_first((_ended(folder, resume) if ranks.first else "").encode())
        if ended:  # said by every process: torchrun ends the others as soon as one has failed
            raise typer.BadParameter(ended.decode())
        _train(run, folder, ranks)


def _made(recipe: str, own: Path | None, arguments: dict[str, Any], cache: Path) -> "Run":
    """The run that is asked for; a public data set that it misses is downloaded first."""
    from models.bases import MissingBase
    from models.training.recipes import RECIPES

    if recipe not in RECIPES:
        raise typer.BadParameter(f"There is no recipe {recipe!r}; there are {', '.join(RECIPES)}.")
    source = {"source": own} if own else {}
    _refuse_unknown(recipe, arguments)
    try:
        run = with_data(lambda: RECIPES[recipe](cache, **source, **arguments), cache)
    except (MissingBase, TypeError, ValueError, FileNotFoundError) as error:  # what it does not have or take
        raise typer.BadParameter(str(error)) from None
    return replace(run, arguments=arguments)  # without the source, whose digest is in the card


def _refuse_unknown(recipe: str, arguments: dict[str, Any]) -> None:
    """Arguments that the recipe does not take, told with those that it takes."""
    from inspect import Parameter, signature

    from models.training.recipes import RECIPES

    taken = signature(RECIPES[recipe]).parameters
    if any(each.kind is Parameter.VAR_KEYWORD for each in taken.values()):
        return
    known = [name for name in taken if name not in ("data", "source")]
    if unknown := [name for name in arguments if name not in known]:
        raise typer.BadParameter(f"{recipe} takes no {', '.join(unknown)}; --set takes {', '.join(known)}.")


def _ended(folder: Path, resume: bool) -> str:
    """Why no run may work in this folder, if one may not."""
    from models.training.resume import NAME

    if next(folder.glob("models/*/model.json"), None):
        return f"{folder} holds a finished run. Work elsewhere with --out, or remove it."
    if (folder / NAME).is_file() and not resume:
        return f"{folder} holds a run that was cut short. Go on with --resume, or work elsewhere with --out."
    return ""


def _train(run: "Run", folder: Path, ranks: "Ranks") -> None:
    from models.training.publish import publish
    from models.training.resume import NotResumable
    from models.training.train import train as run_to_the_end

    try:
        if run.beside:
            _show_beside(run, folder)
        run_to_the_end(run, folder, ranks=ranks)
    except NotResumable as error:
        raise typer.BadParameter(str(error)) from None
    if ranks.first:
        published = folder / "models" / run.card.name
        digest = publish(run, published)
        _tell_gain(published, run.num_steps)
        typer.echo(f"{published}: digest {digest}. Serve it with KSHOT_MODELS={folder / 'models'}.")


def _tell_gain(published: Path, num_steps: int) -> None:
    """Whether training helped, where the model that it went on from was measured on the same tasks."""
    from models.card import read_card

    told = read_card(published).card
    for name, before in told.get("validation of the start", {}).items():
        after, half = told["validation"][name], told["95% of it within"][name]
        words = name.replace("_", " ")
        typer.echo(
            f"{words}: {before:.1%} ± {half:.1%} before ({told['start']}), {after:.1%} after step {num_steps}, "
            "which is kept."
        )
        if after <= before + half:
            typer.echo("It is not shown to be better: serve the model that ships instead.")


def _show_beside(run: "Run", folder: Path) -> None:
    """Train the run and those beside it, one after another, and show what each comes to."""
    from models.training.compare import compared

    rows = compared(run, run.card.name, folder)
    names = [*rows[run.card.name].figures]
    shown = [(name, *(f"{row.figures[each]:.3f}" for each in names), f"{row.cpu_s:.0f}") for name, row in rows.items()]
    screen.show(screen.table("", *names, "CPU-s", rows=shown))


def evaluate(
    model: Annotated[str, typer.Argument(help="The name of a model that ships, or a folder that holds one.")],
    choosing: Annotated[
        bool, typer.Option("--choosing", help="Measure on what was kept for choosing; the test sets stay unread.")
    ] = False,
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Show what tasks gain by learning from each other; no test set is read.")
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option(
            help="Where each read of the test sets is written down.", show_default=f"{LEDGER} of the checkout"
        ),
    ] = None,
    cache: Cache = CACHE,
) -> None:
    """Measure a model on its test sets: the figures are printed; of a checkout, or with --ledger, they are entered
    in the ledger and in the model's card.
    """
    from models import zoo
    from models.training.evaluate import evaluate as measure

    folder = Path(model) if Path(model).is_dir() else Path(next(iter(zoo.__path__))) / model
    if transfer:
        return _show_transfer(folder, cache)
    read = "choosing" if choosing else _ledger(ledger)
    try:
        with screen.screen().status("measuring"):
            figures = with_data(lambda: measure(folder, cache, read), cache)
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None
    rows = [(row[0].name, *map(str, row)) for row in zip(*figures.values(), strict=True)]
    screen.show(screen.table("figure", *figures, rows=rows))
    return None


def _ledger(given: Path | None) -> "Read":
    """Where the read is entered: where it was said, or in the checkout that this is of; else nowhere, which is told."""
    if given is not None and not given.parent.is_dir():
        raise typer.BadParameter(f"There is no folder for the ledger {given}.")
    own = PACKAGE.parent / LEDGER
    if given is None and not own.is_file():
        typer.echo(f"There is no ledger {LEDGER}: the figures are printed, and written nowhere.", err=True)
        return "unentered"
    return given or own


def _show_transfer(folder: Path, cache: Path) -> None:
    """What a task of each family gains at one or two shots, by a task of its own family or of another."""
    from models.checkpoint import load
    from models.training.transfer import families, grid

    checkpoint = load(folder)
    try:
        with screen.screen().status("trying"):
            found = with_data(lambda: families(checkpoint, cache, test=False), cache)
            gains = grid(checkpoint.learner.head, found)
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo("What a new task (columns) gains in points where it may learn from an earlier one (rows) that uses the")
    typer.echo("same labels, of its own family for the same things.")
    rows = [(family.name, *(f"{gain:+.1f}" for gain in row)) for family, row in zip(found, gains.tolist(), strict=True)]
    screen.show(screen.table("", *(family.name for family in found), rows=rows))


def arguments_of(chosen: list[str]) -> dict[str, Any]:
    """KEY=VALUE pairs; a value that is JSON is what it says, any other is text."""
    arguments: dict[str, Any] = {}
    for pair in chosen:
        key, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes KEY=VALUE, not {pair!r}.")
        try:
            arguments[key] = json.loads(value)
        except ValueError:
            arguments[key] = value
    return arguments
