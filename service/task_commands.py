"""The commands that make a task and ask it: `kshot adapt` and `kshot predict`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.files import Columns, Row
from service import columns as by_column
from service import files, reading, showing
from service.reading import (
    Cells,
    Effort,
    Given,
    Ignored,
    Kind,
    LabelColumn,
    Names,
    Prior,
    TargetColumn,
    TextColumn,
    Transfer,
)
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, fail, print_json

if TYPE_CHECKING:
    from service.client import Client
    from service.schemas import CreatedTask

Examples = Annotated[
    Path | None,
    typer.Argument(
        help="A folder with a folder of images a label; a file .csv or .jsonl; a JSON body of POST /v1/tasks; - for "
        "standard input.",
        show_default="nothing, where --names say it all",
    ),
]


ModelName = Annotated[
    str | None,
    typer.Option(
        help="The model; a JSON body names its own.", show_default="glyphs for images, photos where they are in colour"
    ),
]


def adapt(
    source: Examples = None,
    model: ModelName = None,
    effort: Effort = None,
    transfer: Transfer = False,
    name: Annotated[str | None, typer.Option(help="A name for the task.")] = None,
    names: Names = None,
    prior: Prior = None,
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    text_column: TextColumn = None,
    ignore: Ignored = None,
    cells: Cells = False,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Make a task from labelled examples and print its id.

    A CSV has a first line of names. A column text (or input) is the input, or image (or path) the path of one from
    the file's folder; without these, all columns but label, target, id, family and split are a vector. Lines of JSON
    have the same as fields; "input" may also be a list of numbers or {"image": "<base64>"}, "label" a list of labels,
    and "slots" parts of a text.
    """
    from service.schemas import CreateTask

    if source is None and names is None:
        fail("Name a file of examples, or what labels mean with --names.")
    source_kind = "" if source is None else reading.kind_of(source, kind)
    columns = Columns(label_column, target_column, frozenset(ignore or ()), text=text_column, are_cells=cells)
    if source_kind == "json" and source is not None:
        if names is not None:
            fail("A JSON body is a whole request: its label_names say what labels mean.")
        chosen = {"model": model, "effort": effort, "transfer": transfer or None, "name": name, "prior": prior}
        reading.refuse_beside_json(**chosen, **columns.given())
        with clear_errors(), connect(url) as kshot:
            body = CreateTask.model_validate_json(files.read_bytes(source))
            task, places = kshot.create(body), [f"support.{number}" for number in range(len(body.support))]
    else:
        told = None if names is None else reading.read_names(names)
        with clear_errors(), connect(url) as kshot:
            if model is not None:
                columns = reading.of_model(columns, [source_kind], kshot, model)
            rows = [] if source is None else Given(source, source_kind, columns).examples()
            by_column.tell_doubts(rows)
            known = {"effort": effort, "transfer": transfer, "label_names": told, "prior": reading.prior_of(prior)}
            known |= reading.known(rows) | by_column.names_of(rows, columns)
            task = _adapted(kshot, model or _model_for(rows), rows, name=name, **known)
        places = [row.where for row in rows]
    _tell_task(task, places, as_json=as_json)


def predict(
    task: Annotated[str, typer.Argument(help="The id that `kshot adapt` printed.")],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images, folders of them, files .csv or .jsonl; or a JSON body of .../predictions; - for standard "
            "input.",
        ),
    ] = None,
    texts: Annotated[list[str] | None, typer.Option("--text", help="A text to ask about; may be repeated.")] = None,
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    text_column: TextColumn = None,
    ignore: Ignored = None,
    cells: Cells = False,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object of JSON a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask a task about images, texts or vectors. Files are read as `kshot adapt` reads them; labels are left out."""
    from service.schemas import CreatePredictions

    sources = sources or []
    kinds = [reading.kind_of(source, kind) for source in sources]
    columns = Columns(
        label_column, target_column, frozenset(ignore or ()), are_read=False, text=text_column, are_cells=cells
    )
    if "json" in kinds:
        if len(sources) > 1:
            fail("A JSON body is a whole request: name no other file beside it.")
        reading.refuse_beside_json(text=texts, **columns.given())
        with clear_errors(), connect(url) as kshot:
            request = CreatePredictions.model_validate_json(files.read_bytes(sources[0]))
            answer, names = kshot.ask(task, request), [f"inputs.{number}" for number in range(len(request.inputs))]
    else:
        with clear_errors(), connect(url) as kshot:
            columns = reading.of_task(columns, kinds, kshot, task)
            rows = [Row(text, text) for text in texts or []]
            rows += [row for each in zip(sources, kinds, strict=True) for row in Given(*each, columns).queries()]
            if not rows:
                fail(f"There is nothing to ask about{' in ' * bool(sources)}{', '.join(map(str, sources))}.")
            rows = by_column.aligned(rows)
            named = by_column.names_of(rows, columns)
            with clear_errors(partial(reading.placed, rows)), reading.progress("asking") as show:
                answer = kshot.predict(task, [row.input for row in rows], on_progress=show, **named)
        names = [row.id or row.where for row in rows]
    reading.tell_truncated([names[place] for place in answer.truncated])
    show_lines = showing.print_json_lines if as_json else showing.print_csv if as_csv else showing.print_table
    show_lines(list(showing.lines(answer, names)))


def _adapted(kshot: "Client", model: str, rows: Sequence[Row], **known: Any) -> "CreatedTask":
    with clear_errors(partial(reading.placed, rows)), reading.progress("sending examples") as on:
        return kshot.adapt(model, [row.input for row in rows], on_progress=on, **known)


def _model_for(rows: Sequence[Row]) -> str:
    if not rows or isinstance(rows[0].input, str | list):
        such = "vectors" if rows and isinstance(rows[0].input, list) else "text"
        fail(f"Name a model with --model, such as {such}; `kshot models` lists what there is.")
    if not _are_photos(rows):
        return "glyphs"
    typer.echo("The pictures are in colour, so `photos` is taken; for drawings add --model glyphs.", err=True)
    return "photos"


def _are_photos(rows: Sequence[Row]) -> bool:
    from service.colour import are_colourful

    return are_colourful([row.input for row in rows if isinstance(row.input, Path | bytes)])


def _tell_task(task: "CreatedTask", places: Sequence[str], *, as_json: bool) -> None:
    """The id alone on standard output, for a script to take; or all that was answered."""
    if as_json:
        print_json(task.model_dump(mode="json"))
        return
    reading.tell_truncated([f"support.{place}" for place in task.truncated] + task.truncated_names)
    typer.echo(f"{task.kind} by {task.model}, {task.num_support} examples, {task.timing.compute_ms:.0f} ms", err=True)
    showing.tell_forecast(task, places)
    if task.transferred_from:
        typer.echo(f"learned from {', '.join(task.transferred_from)} too", err=True)
    typer.echo(task.id)
