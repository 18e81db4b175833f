"""The commands for the life of a task, below `kshot tasks`: show, extend, forget, roll back, delete, evaluate."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.files import Columns, Row
from service import columns as by_column
from service import reading, screen, showing
from service.reading import Cells, Given, Ignored, Kind, LabelColumn, Names, TargetColumn, TextColumn
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, fail, print_json

if TYPE_CHECKING:
    from service.client import Client
    from service.figures import Evaluation

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="Its id.")]
Source = Annotated[Path | None, typer.Argument(help="Examples as `kshot adapt` takes them, but for a JSON body.")]
FIGURES = ("accuracy", "log_loss", "calibration_error", "exact", "micro_f1", "frame_accuracy", "slot_f1", "mse", "r2")


def show(task: TaskId, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Show a task and its examples, whose ids `kshot tasks forget` takes."""
    with clear_errors(), connect(url) as kshot:
        found, examples = kshot.get(task), list(kshot.support(task))
    if as_json:
        print_json({**found.model_dump(mode="json"), "support": [each.model_dump(mode="json") for each in examples]})
        return
    for field, value in found.model_dump(mode="json").items():
        typer.echo(f"{field}: {_shown(value)}")
    truth = "target" if found.kind == "regression" else "label"
    rows = [
        (each.id, "a name" if each.role == "name" else "", _shown(getattr(each, truth)), str(each.since_version))
        for each in examples
    ]
    screen.show(screen.table("example", "", truth, "since version", rows=rows, whole=["example"]))


def extend(
    task: TaskId,
    source: Source = None,
    names: Names = None,
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    text_column: TextColumn = None,
    ignore: Ignored = None,
    cells: Cells = False,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Teach a task more examples, of new labels too, or what labels mean; print the ids of the examples."""
    if source is None and names is None:
        fail("Name a file of examples, or what labels mean with --names.")
    columns = Columns(label_column, target_column, frozenset(ignore or ()), text=text_column, are_cells=cells)
    told = None if names is None else reading.read_names(names)
    with clear_errors(), connect(url) as kshot:
        rows, known = ([], {}) if source is None else _examples(kshot, task, source, kind, columns)
        inputs = [row.input for row in rows]
        with clear_errors(partial(reading.placed, rows)), reading.progress("sending examples") as on:
            more = kshot.extend(task, inputs, label_names=told, on_progress=on, **known)
    if as_json:
        print_json(more.model_dump(mode="json"))
        return
    reading.tell_truncated([rows[place].where for place in more.truncated] + more.truncated_names)
    typer.echo(f"version {more.version}, {more.num_support} examples", err=True)
    showing.tell_forecast(more, [row.where for row in rows])
    for example in more.example_ids:
        typer.echo(example)


def forget(
    task: TaskId,
    examples: Annotated[list[str], typer.Argument(metavar="EXAMPLE...", help="Ids, as `kshot tasks show` has them.")],
    url: Url = LOCAL,
) -> None:
    """Erase examples of a task, and every version that used them."""
    with clear_errors(), connect(url) as kshot:
        gone = set[str]()
        for example in (each for each in examples if each not in gone):
            left = kshot.forget(task, example)
            others = [each for each in left.forgotten if each != example]
            told = f", and what was damaged: {', '.join(others)}" if others else ""
            typer.echo(f"{example} is forgotten{told}; version {left.version}, {left.num_support} examples")
            showing.tell_forecast(left)
            gone.update(others)


def versions(task: TaskId, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """List the versions of a task that are kept, newest first."""
    with clear_errors(), connect(url) as kshot:
        found = kshot.versions(task)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    rows = []
    for each in found:
        gone = "" if each.available else "erased: it used what was forgotten"
        rows.append((str(each.version), each.origin, str(each.num_support), f"{each.created_at:%Y-%m-%d %H:%M}", gone))
    screen.show(screen.table("version", "made by", "examples", "made", "", rows=rows))


def rollback(
    task: TaskId, version: Annotated[int, typer.Argument(help="As `kshot tasks versions` has it.")], url: Url = LOCAL
) -> None:
    """Go back to an earlier version of a task, which becomes its newest."""
    with clear_errors(), connect(url) as kshot:
        typer.echo(f"version {kshot.rollback(task, version).version} is as version {version}")


def delete(
    ids: Annotated[list[str], typer.Argument(metavar="TASK...", help="Their ids.")],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = LOCAL,
) -> None:
    """Delete tasks with all that is stored of them."""
    if not is_sure:
        typer.confirm(f"Delete {', '.join(ids)} for good?", abort=True)
    with clear_errors(), connect(url) as kshot:
        for task in ids:
            kshot.delete(task)
            typer.echo(f"{task} is deleted")


def evaluate(
    task: TaskId,
    source: Annotated[Path, typer.Argument(help="Examples that the task was not taught, as `kshot adapt` takes them.")],
    version: Annotated[int | None, typer.Option(help="The version to ask.", show_default="the current one")] = None,
    compare_with: Annotated[int | None, typer.Option(help="Another version, on the same examples.")] = None,
    none_label: Annotated[
        str | None, typer.Option(help="A label of the file that stands for none of the task's labels.")
    ] = None,
    label_column: LabelColumn = None,
    target_column: TargetColumn = None,
    text_column: TextColumn = None,
    ignore: Ignored = None,
    cells: Cells = False,
    kind: Kind = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Tell how good a task is on examples whose answers are known; --json tells all of it."""
    columns = Columns(label_column, target_column, frozenset(ignore or ()), text=text_column, are_cells=cells)
    with clear_errors(), connect(url) as kshot:
        rows, known = _examples(kshot, task, source, kind, columns)
        inputs = [row.input for row in rows]
        known.pop("ids", None)
        if none_label is not None and "labels" in known:
            known["labels"] = [None if label == none_label else label for label in known["labels"]]
        with clear_errors(partial(reading.placed, rows)), reading.progress("sending examples") as on:
            found = kshot.evaluate(task, inputs, version=version, compare_with=compare_with, on_progress=on, **known)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _tell(found)


def _examples(
    kshot: "Client", task: str, source: Path, kind: str | None, columns: Columns
) -> tuple[list[Row], dict[str, Any]]:
    """What a source holds for the task, and what is known of it, as the client takes it."""
    found = reading.kind_of(source, kind)
    if found == "json":
        fail("A JSON body goes to the service itself; expected a folder, a .csv or a .jsonl.")
    columns = reading.of_task(columns, [found], kshot, task)
    rows = Given(source, found, columns).examples()
    return rows, reading.known(rows) | by_column.names_of(rows, columns)


def _tell(found: "Evaluation") -> None:
    """The figures of one version, or of two side by side; and of `unknown`, if any example is of none of the labels."""
    asked = [found] if found.comparison is None else [found, found.comparison]
    rows = []
    for name in filter(partial(hasattr, found), FIGURES):
        rows.append((name, *(_figure(each, name) for each in asked)))
    header = (f"{found.num_examples} examples", *(f"version {each.version}" for each in asked))
    screen.show(screen.table(*header, rows=rows))
    if found.comparison is not None and (interval := found.comparison.difference.interval) is not None:
        typer.echo(f"difference, {interval.level:.0%} interval: {interval.low:.4g} to {interval.high:.4g}")
    unknown = getattr(found, "unknown", None)
    if unknown is not None:
        rows = []
        for at in unknown.thresholds:
            shares = ("" if value is None else f"{value:.1%}" for value in (at.caught, at.lost, at.accuracy))
            rows.append((f"{at.threshold}", *shares))
        header = ("unknown at least", f"caught, of {unknown.num_examples}", "lost of the others", "accuracy")
        screen.show(screen.table(*header, rows=rows))


def _figure(found: Any, name: str) -> str:
    """A figure and, where there is one, its interval."""
    value, interval = getattr(found, name), getattr(found, f"{name}_interval", None)
    shown = "" if value is None else f"{value:.4g}"
    return shown if interval is None else f"{shown} ({interval.level:.0%}: {interval.low:.3g} to {interval.high:.3g})"


def _shown(value: Any) -> str:
    """A field of an answer as people read it."""
    if value is None or value in ({}, []):
        return "(none)"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return screen.visible(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value))
