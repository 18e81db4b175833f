"""The commands that make and measure models: `kshot train` and `kshot evaluate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from service.data_sets import CACHE, Cache, with_data

LEDGER = Path("docs/results.md")


def train(
    recipe: Annotated[str, typer.Argument(help="The name of a model that ships, or omniglot.")],
    chosen: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An argument of the recipe; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to work; a run that was cut short resumes there.", show_default="runs/MODEL"),
    ] = None,
    cache: Cache = CACHE,
) -> None:
    """Meta-train a model by its recipe; the result is a folder that KSHOT_MODELS can hold."""
    from models.training.publish import publish
    from models.training.recipes import RECIPES
    from models.training.train import train as run_to_the_end

    if recipe not in RECIPES:
        raise typer.BadParameter(f"There is no recipe {recipe!r}; there are {', '.join(RECIPES)}.")
    try:
        run = with_data(lambda: RECIPES[recipe](cache, **_arguments(chosen or [])), cache)
    except (TypeError, ValueError, FileNotFoundError) as error:  # an argument it does not have or take; absent data
        raise typer.BadParameter(str(error)) from None
    folder = out or Path("runs") / run.card.name
    run_to_the_end(run, folder)
    model = folder / "models" / run.card.name
    digest = publish(run, model)
    typer.echo(f"{model}: digest {digest}. Serve it with KSHOT_MODELS={folder / 'models'}.")


def evaluate(
    model: Annotated[str, typer.Argument(help="The name of a model that ships, or a folder that holds one.")],
    choosing: Annotated[
        bool, typer.Option("--choosing", help="Measure on what was kept for choosing; the test sets stay unread.")
    ] = False,
    ledger: Annotated[Path, typer.Option(help="Where each read of the test sets is written down.")] = LEDGER,
    cache: Cache = CACHE,
) -> None:
    """Measure a model on its test sets: the figures are printed, entered in the ledger and in the model's card."""
    from models import zoo
    from models.training.evaluate import evaluate as measure

    folder = Path(model) if Path(model).is_dir() else Path(next(iter(zoo.__path__))) / model
    if not (choosing or ledger.parent.is_dir()):
        raise typer.BadParameter(
            f"There is no folder for the ledger {ledger}: work in a checkout, or name a file with --ledger."
        )
    try:
        with Console().status(f"measuring {model}"):
            figures = with_data(lambda: measure(folder, cache, None if choosing else ledger), cache)
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from None
    table = Table("figure", *figures, box=None)
    for row in zip(*figures.values(), strict=True):
        table.add_row(row[0].name, *map(str, row))
    Console().print(table)


def _arguments(chosen: list[str]) -> dict[str, Any]:
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
