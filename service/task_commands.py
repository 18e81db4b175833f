"""The commands that make a task and ask it: `kshot adapt` and `kshot predict`."""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from service import files
from service.files import BadFile, Columns, Row
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, fail, print_json

if TYPE_CHECKING:
    from service.schemas import CreatedTask, Predictions

SHOW_AFTER_S = 1.0
SHOWN = 5  # files of a folder that are passed over
POSITION = re.compile(r"\b(?:support|inputs)\.(\d+)(?:\.(input|label|target|id|image))?(?:\.(\d+))?\b")

Examples = Annotated[
    Path | None,
    typer.Argument(
        help="A folder with a folder of images a label; a file .csv or .jsonl; a JSON body of POST /v1/tasks; - for "
        "standard input.",
        show_default="nothing, where --names say it all",
    ),
]
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
Prior = Annotated[
    str | None,
    typer.Option(help='How often each label is to be expected: uniform, support, or {"label": probability, ...}.'),
]
LabelColumn = Annotated[str | None, typer.Option(help="The column, or field, of the labels.", show_default="label")]
TargetColumn = Annotated[str | None, typer.Option(help="That of the numbers to predict.", show_default="target")]


def adapt(
    source: Examples = None,
    model: Annotated[
        str | None,
        typer.Option(help="The model; a JSON body names its own.", show_default="glyphs for images"),
    ] = None,
    effort: Effort = None,
    name: Annotated[str | None, typer.Option(help="A name for the task.")] = None,
    names: Names = None,
    prior: Prior = None,
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    ignore: Ignored = None,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make a task from labelled examples and print its id.

    A CSV has a first line of names. A column text (or input) is the input, or image (or path) the path of one from
    the file's folder; without these, all columns but label, target and id are the numbers of a vector. Lines of JSON
    have the same as fields; "input" may also be a list of numbers or {"image": "<base64>"}, "label" a list of labels.
    """
    from service.schemas import CreateTask

    if source is None and names is None:
        fail("Name a file of examples, or what labels mean with --names.")
    source_kind = "" if source is None else _kind(source, kind)
    if source_kind == "json" and source is not None:
        if names is not None:
            fail("A JSON body is a whole request: its label_names say what labels mean.")
        _refuse_beside_json(
            {"--model": model, "--name": name, "--prior": prior, **_columns(label_column, target_column, ignore)}
        )
        with clear_errors(), connect(url) as kshot:
            task = kshot.create(CreateTask.model_validate_json(files.read_bytes(source)))
    else:
        columns = Columns(label_column, target_column, frozenset(ignore or ()))
        rows = [] if source is None else _read(files.read_examples, source, source_kind, columns)
        if source is not None and source_kind == "folder":
            _tell_strays(files.strays(source, are_examples=True))
        told = None if names is None else _names(names)
        model = model or _model_for(rows)
        with clear_errors(partial(_placed, rows)), connect(url) as kshot, _progress("sending examples") as show:
            inputs = [row.input for row in rows]
            known: dict[str, Any] = {"label_names": told, "prior": _prior(prior), **_known(rows)}
            task = kshot.adapt(model, inputs, effort=effort, name=name, on_progress=show, **known)
    _tell_task(task, as_json=as_json)


def predict(
    task: Annotated[str, typer.Argument(help="The id that `kshot adapt` printed.")],
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Images, folders of them, files .csv or .jsonl; or a JSON body of .../predictions; - for standard "
            "input.",
        ),
    ],
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    ignore: Ignored = None,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object of JSON a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask a task about images, texts or vectors. Files are read as `kshot adapt` reads them; labels are left out."""
    from service.schemas import CreatePredictions

    kinds = [_kind(source, kind) for source in sources]
    if "json" in kinds:
        if len(sources) > 1:
            fail("A JSON body is a whole request: name no other file beside it.")
        _refuse_beside_json(_columns(label_column, target_column, ignore))
        with clear_errors(), connect(url) as kshot:
            request = CreatePredictions.model_validate_json(files.read_bytes(sources[0]))
            answer, names = kshot.ask(task, request), [f"inputs.{number}" for number in range(len(request.inputs))]
    else:
        columns = Columns(label_column, target_column, frozenset(ignore or ()), are_read=False)
        rows = [row for each in zip(sources, kinds, strict=True) for row in _read(files.read_rows, *each, columns)]
        for source in (source for source, each in zip(sources, kinds, strict=True) if each == "folder"):
            _tell_strays(files.strays(source))
        if not rows:
            fail(f"There is nothing to ask about in {', '.join(map(str, sources))}.")
        with clear_errors(partial(_placed, rows)), connect(url) as kshot, _progress("asking") as show:
            answer = kshot.predict(task, [row.input for row in rows], on_progress=show)
        names = [row.id or row.where for row in rows]
    lines = list(_lines(answer, names))
    _tell_truncated([names[place] for place in answer.truncated])
    if as_json:
        for line in lines:
            typer.echo(json.dumps(line, ensure_ascii=False))
    elif as_csv:
        _print_csv(lines)
    else:
        _print_table(lines)


def _model_for(rows: Sequence[Row]) -> str:
    if not rows or isinstance(rows[0].input, str | list):
        fail("Name a model with --model, such as vectors; `kshot models` lists what there is.")
    return "glyphs"


def _lines(answer: "Predictions", names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name, found in zip(names, answer.predictions, strict=True):
        yield {"input": name, **found.model_dump()}


def _print_csv(lines: Sequence[dict[str, Any]]) -> None:
    rows = [_flat(line) for line in lines]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """One value a column; of the scores only the best."""
    if "label" in line:
        unknown = {} if line["unknown"] is None else {"unknown": line["unknown"]}
        probability = line["scores"][line["label"]]
        return {"input": line["input"], "label": line["label"], "probability": probability, **unknown}
    if "labels" in line:
        return {"input": line["input"], "labels": json.dumps(line["labels"], ensure_ascii=False)}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in line.items()}


def _print_table(lines: Sequence[dict[str, Any]]) -> None:
    table = Table("input", "answer", "", "", box=None)
    for line in lines:
        if "label" in line:
            unknown = "" if line["unknown"] is None else f"unknown {line['unknown']:.0%}"
            table.add_row(line["input"], line["label"], f"{line['scores'][line['label']]:.1%}", unknown)
        elif "labels" in line:
            scores = ", ".join(f"{line['scores'][label]:.1%}" for label in line["labels"])
            table.add_row(line["input"], ", ".join(line["labels"]), scores)
        else:
            table.add_row(line["input"], _rounded(line["mean"]), f"± {_rounded(line['std'])}")
    Console().print(table)


def _rounded(answer: float | list[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in (answer if isinstance(answer, list) else [answer]))


def _kind(source: Path, given: str | None) -> str:
    if source != files.STDIN and not source.exists():
        fail(f"There is no file {source}.")
    return files.kind_of(source, given)


def _columns(label: str | None, target: str | None, ignored: list[str] | None) -> dict[str, Any]:
    return {"--label-column": label, "--target-column": target, "--ignore": ignored}


def _refuse_beside_json(given: dict[str, Any]) -> None:
    """What a JSON body says itself must not seem to be heeded."""
    if beside := [option for option, value in given.items() if value is not None]:
        fail(f"A JSON body is a whole request: {', '.join(beside)} cannot be given beside it; write it into the body.")


def _tell_strays(strays: Sequence[Path]) -> None:
    if strays:
        more = f" and {len(strays) - SHOWN} more" if len(strays) > SHOWN else ""
        shown = ", ".join(map(str, strays[:SHOWN]))
        typer.echo(f"passed over, for being no image in the folder of a label: {shown}{more}", err=True)


def _read(read: Callable[[Path, str, Columns], list[Row]], source: Path, kind: str, columns: Columns) -> list[Row]:
    with clear_errors():
        try:
            return read(source, kind, columns)
        except BadFile as error:
            fail(str(error))


def _names(source: Path) -> dict[str, str]:
    with clear_errors():
        try:
            return files.read_names(source)
        except BadFile as error:
            fail(str(error))


def _prior(written: str | None) -> Any:
    """The prior as the client takes it, which checks it."""
    if written is None or not written.lstrip().startswith("{"):
        return written
    try:
        return json.loads(written)
    except ValueError as error:
        fail(f"--prior is not JSON: {error}.")


def _known(rows: Sequence[Row]) -> dict[str, Any]:
    """What is known of the rows, as the client takes it: of each row, or of none."""
    columns = {"ids": "id", "labels": "label", "targets": "target"}
    found = {name: [getattr(row, column) for row in rows] for name, column in columns.items()}
    return {name: values for name, values in found.items() if values and values[0] is not None}


def _placed(rows: Sequence[Row], text: str) -> str:
    """A sentence of the service with the places in the sender's files instead of positions in the request."""

    def place(found: re.Match[str]) -> str:
        position, field, part = found.groups()
        if int(position) >= len(rows):
            return found[0]
        about = "" if field in (None, "input", "image") else f": {field}"
        return rows[int(position)].where + about + ("" if part is None else f": number {int(part) + 1}")

    return POSITION.sub(place, text)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, if it takes longer than a second and somebody sees it."""
    console = Console(stderr=True)
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


def _tell_truncated(names: Sequence[str]) -> None:
    """Of texts longer than the model reads; on standard error, so that what is read by programs stays as it is."""
    if names:
        typer.echo(f"Longer than the model reads, and cut: {', '.join(names[:10])}.", err=True)


def _tell_task(task: "CreatedTask", *, as_json: bool) -> None:
    """The id alone on standard output, for a script to take; or all that was answered."""
    if as_json:
        print_json(task.model_dump(mode="json"))
        return
    _tell_truncated([f"support.{place}" for place in task.truncated])
    typer.echo(f"{task.kind} by {task.model}, {task.num_support} examples, {task.timing.compute_ms:.0f} ms", err=True)
    typer.echo(task.id)
