"""The commands `kshot data list` and `kshot data get`, and the download that a training run does by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from service import screen
from service.terminal import fail

Made = TypeVar("Made")

Cache = Annotated[Path, typer.Option("--cache", envvar="KSHOT_DATA", help="The folder of public data sets.")]
CACHE = Path("~/.cache/kshot").expanduser()

app = typer.Typer(no_args_is_help=True, help="Public data sets: what there is, and getting them.")


@app.command("list", epilog="Example: kshot data list")
def list_sets(cache: Cache = CACHE) -> None:
    """Show every data set that can be had: what it is, its licence, whether it is in the folder."""
    from models.data.sources import SOURCES, is_present

    rows = [
        (name, source.about, source.licence, "yes" if is_present(name, cache) else "no")
        for name, source in SOURCES.items()
    ]
    screen.show(screen.table("data set", "what it is", "licence", f"in {cache}", rows=rows, whole=["data set"]))


@app.command("get", epilog="Example: kshot data get omniglot")
def get_sets(
    names: Annotated[list[str], typer.Argument(help="Rows of `kshot data list`.", show_default=False)],
    cache: Cache = CACHE,
) -> None:
    """Download data sets, and weights that models build on, from their official places; gone on from where cut."""
    from models.bases import BASES
    from models.data.sources import SOURCES

    known = (*SOURCES, *BASES)
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"There is no data set {name!r}; there are {', '.join(known)}.")
    for name in names:
        typer.echo(_base(name) if name in BASES else download(name, cache))


@app.command("check", epilog="Example: kshot data check letters/")
def check_set(
    source: Annotated[
        str,
        typer.Argument(help="A folder of images, a .csv, a .jsonl, or a row of `kshot data list`.", show_default=False),
    ],
    cache: Cache = CACHE,
) -> None:
    """Whether tasks can be made of a data set: what there is, what is wrong. Exit code 1 where it is of no use."""
    from models.data.absent import AbsentDataSet
    from models.data.check import checked
    from models.data.named import READERS, read_named
    from models.data.own import read_own
    from models.data.schema import UnusableData

    is_named = source in READERS and not Path(source).exists()
    try:
        found = read_named(cache, source) if is_named else [read_own(Path(source))]
    except (AbsentDataSet, UnusableData, OSError, UnicodeDecodeError) as error:
        fail(f"{source} cannot be used: {error}")
    reports = {data.name: checked(data) for data in found}
    for name, report in reports.items():
        typer.echo(f"{name}: {'usable' if report.is_usable else 'of no use as it is'}")
        for fact, told in report.facts.items():
            typer.echo(f"  {fact:9} {told}")
        for finding in report.findings:
            typer.echo(f"  {finding.level}: {finding.message}")
    raise typer.Exit(0 if all(report.is_usable for report in reports.values()) else 1)


def _base(name: str) -> Path:
    """The folder of a base, downloaded if need be."""
    from models.bases import MissingBase, get

    try:
        return get(name)[0].parent
    except MissingBase as error:
        fail(str(error))


def download(name: str, cache: Path) -> Path:
    """The folder of the set, downloaded with a progress bar if need be; a clear sentence and exit 1 on failure."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from models.data.sources import get
    from models.fetch import NotDownloaded

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=screen.screen(stderr=True)) as progress:
        bar = progress.add_task(name, total=None)

        def report(file: str, done: int, total: int | None) -> None:
            progress.update(bar, description=f"{name}: {file}", completed=done, total=total)

        try:
            return get(name, cache, report)
        except NotDownloaded as failed:
            progress.stop()
            fail(str(failed))


def with_data(make: Callable[[], Made], cache: Path) -> Made:
    """What `make` makes; a data set that it misses is downloaded first."""
    from models.data.absent import AbsentDataSet
    from models.data.sources import SOURCES

    missed: set[str] = set()
    while True:
        try:
            return make()
        except AbsentDataSet as absent:
            if absent.name not in SOURCES or absent.name in missed:
                raise
            missed.add(absent.name)
            download(absent.name, cache)
