"""How the commands show what a task answered, as a table or as CSV, and what is expected of a task."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from service.screen import show, table, visible

if TYPE_CHECKING:
    from service.forecasts import Expected
    from service.schemas import CreatedTask, Predictions


def lines(answer: "Predictions", names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each prediction under the name of what was asked about; of texts that were cut, that they were."""
    cut = set(answer.truncated)
    for place, (name, found) in enumerate(zip(names, answer.predictions, strict=True)):
        yield {"input": name, **found.model_dump(), **({"truncated": True} if place in cut else {})}


def print_json_lines(lines: Sequence[dict[str, Any]]) -> None:
    """A line of JSON a prediction."""
    for line in lines:
        typer.echo(json.dumps(line, ensure_ascii=False))


def print_csv(lines: Sequence[dict[str, Any]]) -> None:
    """A line of CSV a prediction; where a text was cut, all have a column that tells it."""
    rows = [{**_flat(line), **({"truncated": "true"} if "truncated" in line else {})} for line in lines]
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """One value a column; of the scores only the best."""
    if "form" in line:
        probability = line["scores"][line["label"]]
        return {"input": line["input"], "label": line["label"], "probability": probability, "form": line["form"]}
    if "label" in line:
        unknown = {} if line["unknown"] is None else {"unknown": line["unknown"]}
        probability = line["scores"][line["label"]]
        return {"input": line["input"], "label": line["label"], "probability": probability, **unknown}
    if "labels" in line:
        return {"input": line["input"], "labels": json.dumps(line["labels"], ensure_ascii=False)}
    return {key: json.dumps(value) if isinstance(value, list) else value for key, value in line.items()}


def print_table(lines: Sequence[dict[str, Any]]) -> None:
    """A line of a table a prediction."""
    show(table("input", "answer", "", "", rows=[(line["input"], *_cells(line)) for line in lines]))


def tell_forecast(task: "CreatedTask", names: Sequence[str] = ()) -> None:
    """How good the task will be, and which examples look wrong, on standard error; by the `names` of what was sent."""
    if task.expected is not None:
        typer.echo(expected(task.expected), err=True)
    for each in task.suspects:
        is_named = each.index is not None and each.index < len(names)
        where = f"{names[each.index or 0]} ({each.id})" if is_named else each.id
        sentence = f"looks wrong: {where} has the label {each.label}, the others say {each.instead}"
        typer.echo(visible(f"{sentence} ({each.probability:.0%} probable)"), err=True)


def expected(found: "Expected") -> str:
    """What is expected, and between which ends it lies."""
    if hasattr(found, "accuracy"):
        return f"expected accuracy {found.accuracy:.0%} ({found.low * 100:.0f} to {found.high * 100:.0f})"
    return f"expected R2 {found.r2:.2f} ({found.low:.2f} to {found.high:.2f})"


def _cells(line: dict[str, Any]) -> tuple[str, str, str]:
    """The answer, how sure it is, and what else is said of it."""
    if "form" in line:
        return line["form"], f"{line['scores'][line['label']]:.1%}", ""
    if "label" in line:
        unknown = "" if line["unknown"] is None else f"unknown {line['unknown']:.0%}"
        return line["label"], f"{line['scores'][line['label']]:.1%}", unknown
    if "labels" in line:
        scores = ", ".join(f"{line['scores'][label]:.1%}" for label in line["labels"])
        return ", ".join(line["labels"]) or "(no label)", scores, ""
    return _rounded(line["mean"]), f"± {_rounded(line['std'])}", ""


def _rounded(answer: float | list[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in (answer if isinstance(answer, list) else [answer]))
