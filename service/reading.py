"""What the commands are given: options, files as rows that the client takes, and places in them for what is wrong."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from models.files import BadFile, Columns, Row
from service import files
from service.screen import screen
from service.terminal import clear_errors, fail

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas import Model

SHOW_AFTER_S = 1.0
LINES = frozenset(("csv", "jsonl"))  # files of rows, which are read by what the model takes
SHOWN = 5  # files of a folder that are passed over
OF_COLUMNS = "--ignore leaves a column out; --label-column says which has the labels."
POSITION = re.compile(r"\b(?:support|inputs|examples)\.(\d+)(?:\.(input|label|target|id|image))?(?:\.(\d+))?\b")

Names = Annotated[
    Path | None, typer.Option(help="What labels mean: JSON, or CSV of label and name; for models of texts.")
]
Kind = Annotated[
    Literal["csv", "jsonl", "json"] | None,
    typer.Option("--format", help="What a file is, whatever it is called.", show_default="by its name; - is jsonl"),
]
Ignored = Annotated[list[str] | None, typer.Option("--ignore", help="A column to leave out; may be repeated.")]
Effort = Annotated[
    Literal["fast", "high"] | None,
    typer.Option(help="high also adapts the model's last layers, in seconds to minutes.", show_default="fast"),
]
Transfer = Annotated[
    bool, typer.Option("--transfer", help="Learn from your earlier tasks of the model too, where that is of use.")
]
Prior = Annotated[
    str | None,
    typer.Option(help='How often each label is to be expected: uniform, support, or {"label": probability, ...}.'),
]
Cells = Annotated[
    bool,
    typer.Option(
        "--cells",
        help="The columns are a table's: numbers, words, empty where missing.",
        show_default="where the model takes tables",
    ),
]
LabelColumn = Annotated[str | None, typer.Option(help="The column, or field, of the labels.", show_default="label")]
TargetColumn = Annotated[str | None, typer.Option(help="That of the numbers to predict.", show_default="target")]
TextColumn = Annotated[str | None, typer.Option(help="That of the texts.", show_default="text, or input")]


@dataclass(frozen=True)
class Given:
    """A source of rows and how it is to be read, as the options have it."""

    source: Path
    kind: str
    columns: Columns

    def examples(self) -> list[Row]:
        """What it holds to learn from, or to be held against."""
        rows = _read(files.read_examples, self)
        if self.kind == "folder":
            _tell_strays(files.strays(self.source, are_examples=True))
        return rows

    def queries(self) -> list[Row]:
        """What it holds to ask about."""
        rows = _read(files.read_rows, self)
        if self.kind == "folder":
            _tell_strays(files.strays(self.source))
        return rows


def kind_of(source: Path, given: str | None) -> str:
    """What a source is, which must be there."""
    if source != files.STDIN and not source.exists():
        fail(f"There is no file {source}. A text to ask about is given to `kshot predict` by --text.")
    return files.kind_of(source, given)


def of_model(columns: Columns, kinds: Iterable[str], kshot: "Client", model: str) -> Columns:
    """The columns as a model takes them: cells, if it takes tables; a number to predict, if it takes no labels."""
    from service.errors import Forbidden

    with suppress(Forbidden):  # keys that only write may not ask; then the options say it all
        if not LINES.isdisjoint(kinds):
            return _taken(columns, kshot.model(model))
    return columns


def of_task(columns: Columns, kinds: Iterable[str], kshot: "Client", task: str) -> Columns:
    """The same of a task's model; a task that belongs to one is called after it."""
    from service.errors import Forbidden, ModelNotFound

    with suppress(Forbidden, ModelNotFound):  # a model that is gone is told when the task is asked
        if not LINES.isdisjoint(kinds):
            model, is_owned, _ = task.partition("/")
            found = None if is_owned else kshot.get(task)
            columns = replace(columns, are_known=found is not None and found.columns is not None)
            return of_model(columns, kinds, kshot, model if found is None else found.model)
    return replace(columns, are_known=False)


def _taken(columns: Columns, model: "Model") -> Columns:
    if model.kinds == ["regression"] and columns.target is None:
        columns = replace(columns, label=None, target=columns.label)
    return replace(columns, are_cells=columns.are_cells or "table" in model.modalities)


def refuse_beside_json(**given: Any) -> None:
    """What a JSON body says itself must not seem to be heeded."""
    if beside := [f"--{option.replace('_', '-')}" for option, value in given.items() if value is not None]:
        fail(f"A JSON body is a whole request: {', '.join(beside)} cannot be given beside it; write it into the body.")


def read_names(source: Path) -> dict[str, str]:
    """What labels mean."""
    with clear_errors():
        try:
            return files.read_names(source)
        except BadFile as error:
            fail(str(error))


def prior_of(written: str | None) -> Any:
    """The prior as the client takes it, which checks it."""
    if written is None or not written.lstrip().startswith("{"):
        return written
    try:
        return json.loads(written)
    except ValueError as error:
        fail(f"--prior is not JSON: {error}.")


def known(rows: Sequence[Row]) -> dict[str, Any]:
    """What is known of the rows, as the client takes it: of each row, or of none."""
    columns = {"ids": "id", "labels": "label", "targets": "target"}
    found = {name: [getattr(row, column) for row in rows] for name, column in columns.items()}
    slots = {"slots": [row.slots or [] for row in rows]} if any(row.slots is not None for row in rows) else {}
    return {name: values for name, values in found.items() if values and values[0] is not None} | slots


def placed(rows: Sequence[Row], text: str) -> str:
    """A sentence of the service with the places in the sender's files instead of positions in the request.

    One about columns is followed by the options that choose them.
    """

    def place(found: re.Match[str]) -> str:
        position, field, part = found.groups()
        if int(position) >= len(rows):
            return found[0]
        about = "" if field in (None, "input", "image") else f": {field}"
        return rows[int(position)].where + about + ("" if part is None else f": number {int(part) + 1}")

    said = POSITION.sub(place, text)
    return f"{said}\n{OF_COLUMNS}" if text.startswith("columns: ") else said


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, if it takes longer than a second and somebody sees it."""
    from rich.progress import Progress

    console = screen(stderr=True)
    bar = Progress(console=console, transient=True)
    task = bar.add_task(what, total=None)
    timer = Timer(SHOW_AFTER_S, bar.start)
    timer.daemon = True
    if console.is_terminal:
        timer.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        if bar.live.is_started:
            bar.stop()


def tell_truncated(names: Sequence[str]) -> None:
    """Of texts longer than the model reads; on standard error, so that what is read by programs stays as it is."""
    if names:
        typer.echo(f"Longer than the model reads, and cut: {', '.join(names[:10])}.", err=True)


def _tell_strays(strays: Sequence[Path]) -> None:
    if strays:
        more = f" and {len(strays) - SHOWN} more" if len(strays) > SHOWN else ""
        shown = ", ".join(map(str, strays[:SHOWN]))
        typer.echo(f"passed over, for being no image in the folder of a label: {shown}{more}", err=True)


def _read(read: Callable[[Path, str, Columns], list[Row]], given: Given) -> list[Row]:
    with clear_errors():
        try:
            return read(given.source, given.kind, given.columns)
        except BadFile as error:
            fail(str(error))
