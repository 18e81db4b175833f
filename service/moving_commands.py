"""The commands that move tasks: `kshot export`, `kshot import`, and `kshot tasks`."""

import io
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Annotated

import typer

from service import screen, showing
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, fail, print_json

if TYPE_CHECKING:
    from service.client import Client

tasks = typer.Typer(no_args_is_help=True, help="The life of tasks: list, show, teach, evaluate, go back, delete.")


def export(
    ids: Annotated[list[str], typer.Argument(metavar="TASK...", help="Ids of tasks; several make a tar of files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="standard output")
    ] = None,
    url: Url = LOCAL,
) -> None:
    """Write whole tasks to a file, for `kshot import` elsewhere; the file is there when all of it is."""
    if output is None and sys.stdout.isatty():
        fail("A task is no text to be shown: name a file, kshot export ... -o tasks.kshot")
    with clear_errors(), connect(url) as kshot:
        if output is None:
            return _export(kshot, ids, sys.stdout.buffer)
        partial = output.with_name(f"{output.name}.partial")
        try:
            with partial.open("wb") as file:
                _export(kshot, ids, file)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


def _export(kshot: "Client", ids: Sequence[str], out: IO[bytes]) -> None:
    if len(ids) == 1:
        out.write(kshot.export(ids[0]))
        return
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name in dict.fromkeys(ids):
            data = kshot.export(name)
            entry = tarfile.TarInfo(f"{name}.safetensors")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def import_(
    file: Annotated[Path, typer.Argument(help="What was exported; - reads standard input.")],
    readapt: Annotated[bool, typer.Option("--readapt", help="Adapt anew where the model is another.")] = False,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make tasks from what `kshot export` wrote, and print their new ids; what is refused does not stop the others."""
    refused: list[str] = []
    with clear_errors(), connect(url) as kshot, _opened(file) as source:
        for name, data in _files(source, kshot.limits().max_body_bytes):
            with _noted(name or str(file), refused):
                task = kshot.import_task(data, readapt=readapt)
                if as_json:
                    print_json(task.model_dump(mode="json"))
                    continue
                typer.echo(f"{name or file}: {task.kind} by {task.model}, {task.num_support} examples", err=True)
                showing.tell_forecast(task)
                typer.echo(task.id)
    _fail_if(refused)


@tasks.command("list", epilog="Example: kshot tasks list --model glyphs")
def list_(
    model: Annotated[str | None, typer.Option(help="Only tasks of this model.")] = None,
    name: Annotated[str | None, typer.Option(help="Only tasks of this name.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first."""
    with clear_errors(), connect(url) as kshot:
        found = list(kshot.tasks(model=model, name=name))
    if as_json:
        print_json([task.model_dump(mode="json") for task in found])
        return
    header = ("task", "name", "model", "version", "examples", "written")
    rows = []
    for task in found:
        cells = (task.id, task.name or "", task.model, str(task.version), str(task.num_support))
        rows.append((*cells, f"{task.updated_at:%Y-%m-%d}"))
    screen.show(screen.table(*header, rows=rows, whole=[each for each in header if each != "name"]))


@tasks.command("readapt", epilog="Example: kshot tasks readapt --model glyphs --all")
def readapt_(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="Ids of tasks to move.")] = None,
    model: Annotated[str | None, typer.Option(help="Its tasks that are not on its newest digest.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Move all of them; else they are only listed.")] = False,
    url: Url = LOCAL,
) -> None:
    """Adapt tasks anew to the newest digest of their model; what is refused does not stop the others."""
    if bool(ids) == bool(model):
        raise typer.BadParameter("name tasks, or a model with --model")
    refused: list[str] = []
    with clear_errors(), connect(url) as kshot:
        if model is not None:
            newest = kshot.model(model).digest
            ids = [task.id for task in kshot.tasks(model=model) if task.model_digest != newest]
            if not every:
                typer.echo("\n".join([*ids, f"{len(ids)} to move; add --all to do it."]))
                return
            if not ids:
                typer.echo("0 to move.")
        for name in ids or []:
            with _noted(name, refused):
                task = kshot.readapt(name)
                typer.echo(f"{task.id} is at version {task.version}, on {task.model}@{task.model_digest[:12]}")
    _fail_if(refused)


@contextmanager
def _noted(name: str, refused: list[str]) -> Iterator[None]:
    """What is wrong with one task is said, and added to `refused`; what is wrong with the service is raised."""
    from service.errors import BodyTooLarge, Conflict, InvalidRequest, NotFound

    try:
        yield
    except (BodyTooLarge, Conflict, InvalidRequest, NotFound) as error:
        typer.echo(f"{name}: {error}", err=True)
        refused.append(name)


def _fail_if(refused: list[str]) -> None:
    if refused:
        fail(f"Refused: {len(refused)}.")


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file; or all of standard input, on disk, as it may be larger than memory."""
    if str(file) != "-":
        if not file.is_file():
            raise typer.BadParameter(f"there is no file {file}")
        with file.open("rb") as source:
            yield source
        return
    with TemporaryFile() as kept:
        copyfileobj(sys.stdin.buffer, kept)
        kept.seek(0)
        yield kept


def _files(source: IO[bytes], max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Each file of a tar with its name, or the one file that it is, without; of what is too large, enough to be so.

    A tar of a few bytes may hold, packed or with holes, files of any size.
    """
    if not tarfile.is_tarfile(source):
        source.seek(0)
        yield "", source.read(max_bytes + 1)
        return
    source.seek(0)
    try:
        with tarfile.open(fileobj=source) as tar:
            for entry in tar:
                part = tar.extractfile(entry)
                if part is not None:
                    yield entry.name, part.read(max_bytes + 1)
    except tarfile.ReadError as error:
        fail(f"The tar is damaged or was cut short after what is told above: {error}.")
