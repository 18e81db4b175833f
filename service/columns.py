"""What commands make of the columns of rows: one order of them, their names, and what is said of cells and labels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import typer

from models.files import Columns, Row
from service.fields import MAX_COLUMNS
from service.terminal import fail

FEW = 3  # cells of a column of numbers that are none, which are shown


def aligned(rows: Sequence[Row]) -> list[Row]:
    """Rows of several files, with cells in the order of the first one's columns."""
    first = rows[0].columns if rows else ()
    return [row if row.columns == first or not (first and row.columns) else _like(rows[0], row) for row in rows]


def names_of(rows: Sequence[Row], columns: Columns) -> dict[str, Any]:
    """What the cells of rows are called, as the client takes it, where whoever is given them knows them by that."""
    names = rows[0].columns if rows and all(row.columns == rows[0].columns for row in rows) else ()
    if not names or len(names) > MAX_COLUMNS:
        return {}
    if columns.are_known:
        return {"columns": names}
    typer.echo("The task knows no names of columns, so cells are taken by their place.", err=True)
    return {}


def tell_doubts(rows: Sequence[Row]) -> None:
    """Say on standard error of what may have been meant otherwise: numbers that are taken for words or for classes."""
    for line in [*_words_among_numbers(rows), *_classes_of_numbers(rows)]:
        typer.echo(line, err=True)


def _like(first: Row, row: Row) -> Row:
    if {*row.columns} != {*first.columns}:
        fail(f"{row.where}: the columns are not those of {first.where}, which are {', '.join(first.columns)}.")
    assert isinstance(row.input, list)
    cells = dict(zip(row.columns, row.input, strict=True))
    return replace(row, input=[cells[name] for name in first.columns], columns=first.columns)


def _words_among_numbers(rows: Sequence[Row]) -> Iterator[str]:
    """Columns of a table most of whose cells are numbers, while one that is none makes words of all."""
    lists = [(row.where, row.input) for row in rows if isinstance(row.input, list) and row.columns]
    for place, name in enumerate(rows[0].columns if lists and len(lists) == len(rows) else ()):
        cells = [(where, cells[place]) for where, cells in lists if cells[place] is not None]
        words = [f"{cell[:40]!r} at {where}" for where, cell in cells if isinstance(cell, str)]
        if 0 < len(words) < len(cells) / 2:
            more = " and others" if len(words) > FEW else ""
            shown = ", ".join(words[:FEW])
            yield f"column {name!r}: {len(words)} of {len(cells)} cells are no numbers ({shown}{more}): all are words"


def _classes_of_numbers(rows: Sequence[Row]) -> Iterator[str]:
    """Labels that are numbers, and too many or too fine to be classes."""
    labels = [row.label for row in rows if isinstance(row.label, str)]
    if not labels or not all(_is_number(label) for label in labels):
        return
    if len({*labels}) > len(labels) / 2 or not all(float(label).is_integer() for label in labels):
        yield (
            f"The {len({*labels})} labels are numbers and are taken for classes; with a model that learns numbers, "
            "--target-column does."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
