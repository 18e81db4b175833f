"""The comparison of methods: `python -m benchmarks.accuracy omniglot`, every method under one budget.

A run that was killed goes on where it was; a row that is finished is not done again.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.effort import effort
from benchmarks.frames.choosing import choosing
from benchmarks.frames.command import frames
from benchmarks.frames.trust import trust
from benchmarks.multilabel import multilabel
from benchmarks.page import command, put, table
from benchmarks.photos import photos
from benchmarks.rows import KEPT, SETTINGS, WITHIN, Reading, kept, measured_row, published, tables, trained_row
from benchmarks.text.command import text
from benchmarks.text.costs import text_costs
from models import zoo
from models.training.evaluate import COMPARISON, VINYALS, hardware
from models.training.methods import METHODS
from models.training.omniglot import omniglot as omniglot_run
from models.training.train import Run, train
from models.training.vinyals import BEST
from models.training.vinyals import vinyals as vinyals_run

CORES = 2  # of which the minutes are meant
LITERATURE = (  # 5-way 1-shot, 5-way 5-shot, 20-way 1-shot, 20-way 5-shot, as published
    ("MAML++ (Antoniou et al. 2019)", "99.47", "99.85", "97.65", "99.33"),
    ("MAML (Finn et al. 2017), batch statistics of the queries", "98.7", "99.9", "95.8", "98.9"),
    ("prototypical networks (Snell et al. 2017)", "98.8", "99.7", "96.0", "98.9"),
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(text)
app.command()(text_costs)
app.command()(photos)
app.command()(effort)
app.command()(frames)
app.command("frames-choosing")(choosing)
app.command("frames-trust")(trust)
app.command()(multilabel)
Methods = Annotated[list[str] | None, typer.Option("--method", help="Only this one; may be repeated.")]
Minutes = Annotated[float, typer.Option(help=f"Of {CORES} cores a method, counted in CPU-seconds.")]
Choosing = Annotated[bool, typer.Option("--choosing", help="On what was kept for choosing; no test set is read.")]
Out = Annotated[Path, typer.Option(help="Where the runs and finished rows are.")]
Results = Annotated[Path, typer.Option(help="The page of the tables, and the ledger of test reads.")]
Cache = Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public data sets.")]
RUNS, PAGE, CACHE = Path("runs/accuracy"), Path("docs/results.md"), Path("~/.cache/kshot").expanduser()


@app.command()
def omniglot(
    method: Methods = None,
    minutes: Minutes = 8.0,
    choosing: Choosing = False,
    out: Out = RUNS,
    results: Results = PAGE,
    cache: Cache = CACHE,
) -> None:
    """Every method on Omniglot background, measured on evaluation; and `glyphs`, the best learner that ships."""
    folder = out / _name("omniglot", minutes, choosing)
    reading = Reading(COMPARISON, cache, command(), None if choosing else results)
    for name in _checked(method or [*METHODS, BEST]):
        if name == BEST:
            measured_row(BEST, Path(next(iter(zoo.__path__))) / BEST, folder / BEST, reading)
        else:
            choose, make = (partial(_omniglot, cache, name, kept_back) for kept_back in (True, choosing))
            trained_row(name, choose, make, folder / name, CORES * 60 * minutes, reading)
        _show("comparison-omniglot", _text(folder, minutes, (SETTINGS, WITHIN)), reading)


@app.command()
def vinyals(
    method: Methods = None,
    minutes: Minutes = 8.0,
    best_steps: Annotated[int, typer.Option(help="Steps of the best learner, which no budget binds.")] = 6500,
    choosing: Choosing = False,
    out: Out = RUNS,
    results: Results = PAGE,
    cache: Cache = CACHE,
) -> None:
    """Prototypes, MAML and the best learner's recipe on Vinyals' split, beside what was published of it."""
    folder = out / _name("vinyals", minutes, choosing)
    reading = Reading(VINYALS, cache, command(), None if choosing else results)
    for name in _checked(method or ["protonet", "maml", BEST]):
        choose, make = (partial(_vinyals, cache, name, kept_back) for kept_back in (True, choosing))
        if name == BEST:
            run = make(0.0, best_steps)
            train(run, folder / BEST)
            measured_row(BEST, published(run, folder / BEST), folder / BEST, reading)
        else:
            trained_row(name, choose, make, folder / name, CORES * 60 * minutes, reading)
        literature = table(["published, %", *SETTINGS], LITERATURE)
        _show("comparison-vinyals", f"{_text(folder, minutes, (SETTINGS,))}\n\n{literature}", reading)


def _omniglot(data: Path, method: str, choosing: bool, inner_rate: float, num_steps: int) -> Run:
    return omniglot_run(data, method, num_steps, inner_rate=inner_rate, choosing=choosing)


def _vinyals(data: Path, method: str, choosing: bool, inner_rate: float, num_steps: int) -> Run:
    return vinyals_run(data, method, num_steps, inner_rate=inner_rate, choosing=choosing)


def _checked(names: list[str]) -> list[str]:
    for name in names:
        if name not in (*METHODS, BEST):
            raise typer.BadParameter(f"There is no method {name!r}; there are {', '.join((*METHODS, BEST))}.")
    return names


def _name(split: str, minutes: float, choosing: bool) -> str:
    return f"{split}-{minutes:g}min{'-choosing' if choosing else ''}"


def _text(folder: Path, minutes: float, settings: Sequence[Sequence[str]]) -> str:
    """The tables of all rows that are finished, in the order of the methods."""
    rows = [kept(folder / name) for name in (*METHODS, BEST) if (folder / name / KEPT).is_file()]
    made = f"`{command()}`, {CORES * 60 * minutes:.0f} CPU-seconds a method at most, {hardware()}."
    return f"{made}\n\n{tables(rows, settings)}"


def _show(name: str, text: str, reading: Reading) -> None:
    """Into the page, where the test sets were read for it; on the terminal, where they were not."""
    if reading.ledger:
        put(reading.ledger, name, text)
    else:
        print(text)


if __name__ == "__main__":
    app()
