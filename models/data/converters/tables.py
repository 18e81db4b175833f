"""Small tables for classification: Weka's ARFF -> X, y, and what the columns are."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# our name -> file in renatopp/arff-datasets, without its suffix
TABLES = {
    "anneal": "anneal",
    "balance_scale": "balance.scale",
    "breast_w": "breast.w",
    "car": "car",
    "credit_g": "credit.g",
    "haberman": "haberman",
    "heart_statlog": "heart.statlog",
    "hepatitis": "hepatitis",
    "ionosphere": "ionosphere",
    "iris": "iris",
    "letter": "letter",
    "optdigits": "optdigits",
    "page_blocks": "page.blocks",
    "splice": "splice",
    "tae": "tae",
    "tic_tac_toe": "tic-tac-toe",
    "vote": "vote",
    "waveform": "waveform5000",
    "wine": "wine",
    "zoo": "zoo",
}
ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)
NAMES_OF_ROWS = {"zoo": "animal", "splice": "Instance_name"}  # no features


@dataclass(frozen=True)
class Column:
    """One attribute: its name and, unless it is numeric, what it may be."""

    name: str
    values: tuple[str, ...]  # empty for numbers


def tables(downloads: Path, out: Path) -> None:
    """One file a table; the class is the column of that name, or the last."""
    for name in TABLES:
        columns, rows = _read(downloads / f"{name}.arff")
        _write(out / f"{name}.npz", columns, rows, NAMES_OF_ROWS.get(name))


def _read(path: Path) -> tuple[list[Column], list[list[str]]]:
    lines = [line.strip() for line in path.read_text("latin-1").splitlines()]
    lines = [line for line in lines if line and not line.startswith("%")]
    start = next(number for number, line in enumerate(lines) if line.lower().startswith("@data"))
    columns = [_column(*found.groups()) for line in lines[:start] if (found := ATTRIBUTE.match(line))]
    return columns, [[_plain(cell) for cell in row] for row in _cells(lines[start + 1 :])]


def _cells(lines: list[str]) -> list[list[str]]:
    return list(csv.reader(lines, quotechar="'", skipinitialspace=True))


def _column(name: str, kind: str) -> Column:
    values = _cells([kind.strip()[1:-1]])[0] if kind.startswith("{") else []
    return Column(_plain(name), tuple(_plain(value) for value in values))


def _plain(text: str) -> str:
    return text.strip().strip("'\"")


def _write(path: Path, columns: list[Column], rows: list[list[str]], dropped: str | None) -> None:
    last = next((n for n, column in enumerate(columns) if column.name.lower() == "class"), len(columns) - 1)
    kept = [n for n, column in enumerate(columns) if n != last and column.name != dropped]
    present = {row[last] for row in rows}
    classes = [value for value in columns[last].values if value in present]
    features = [columns[n] for n in kept]
    values = np.array([[_number(columns[n], row[n]) for n in kept] for row in rows], np.float32)
    np.savez_compressed(
        path,
        X=values,
        y=np.array([classes.index(row[last]) for row in rows], np.int16),
        feature_names=np.array([column.name for column in features]),
        feature_types=np.array(["cat" if column.values else "num" for column in features]),
        classes=np.array(classes),
        categories=np.array(json.dumps({column.name: list(column.values) for column in features if column.values})),
    )


def _number(column: Column, cell: str) -> float:
    """A number, the index of a category, or NaN for what is missing."""
    if cell == "?":
        return np.nan
    return float(column.values.index(cell) if column.values else cell)
