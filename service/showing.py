"""How the commands show what a task answered: as a table, as CSV."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from service.schemas import Predictions


def lines(answer: "Predictions", names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each prediction under the name of what was asked about; of texts that were cut, that they were."""
    cut = set(answer.truncated)
    for place, (name, found) in enumerate(zip(names, answer.predictions, strict=True)):
        yield {"input": name, **found.model_dump(), **({"truncated": True} if place in cut else {})}


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
    table = Table("input", "answer", "", "", box=None)
    for line in lines:
        if "form" in line:
            table.add_row(line["input"], line["form"], f"{line['scores'][line['label']]:.1%}")
        elif "label" in line:
            unknown = "" if line["unknown"] is None else f"unknown {line['unknown']:.0%}"
            table.add_row(line["input"], line["label"], f"{line['scores'][line['label']]:.1%}", unknown)
        elif "labels" in line:
            scores = ", ".join(f"{line['scores'][label]:.1%}" for label in line["labels"])
            table.add_row(line["input"], ", ".join(line["labels"]) or "(no label)", scores)
        else:
            table.add_row(line["input"], _rounded(line["mean"]), f"± {_rounded(line['std'])}")
    Console().print(table)


def _rounded(answer: float | list[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in (answer if isinstance(answer, list) else [answer]))
