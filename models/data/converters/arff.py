"""Weka's ARFF: the columns of a table, and its cells as text."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """One attribute: its name and, unless it is numeric, what it may be."""

    name: str
    values: tuple[str, ...]  # empty for numbers

    def number(self, cell: str) -> float:
        """A number, the index of a category, or NaN for what is missing."""
        if cell == "?":
            return math.nan
        return float(self.values.index(cell) if self.values else cell)


def read_arff(path: Path) -> tuple[list[Column], list[list[str]]]:
    """The columns and the rows of a file."""
    lines = [line.strip() for line in path.read_text("latin-1").splitlines()]
    lines = [line for line in lines if line and not line.startswith("%")]
    start = next(number for number, line in enumerate(lines) if line.lower().startswith("@data"))
    columns = [_column(*found.groups()) for line in lines[:start] if (found := ATTRIBUTE.match(line))]
    return columns, [[_plain(cell) for cell in row] for row in _cells(lines[start + 1 :])]


def _cells(lines: list[str]) -> list[list[str]]:
    """Between commas; some official files have blanks in their place."""
    if not any("," in line for line in lines):
        return [line.split() for line in lines]
    return list(csv.reader(lines, quotechar="'", skipinitialspace=True))


def _column(name: str, kind: str) -> Column:
    values = _cells([kind.strip()[1:-1]])[0] if kind.startswith("{") else []
    return Column(_plain(name), tuple(_plain(value) for value in values))


def _plain(text: str) -> str:
    return text.strip().strip("'\"")
