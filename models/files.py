"""Files of labelled rows as people have them, read alike to adapt to and to train on: CSV, lines of JSON. No torch."""

import base64
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

# text, vector, row of a table, image, its path
Input: TypeAlias = str | list[float] | list[int | float | str | None] | bytes | Path

KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
TEXTS, IMAGES = ("input", "text"), ("image", "path")  # what holds the whole input of a row
KNOWN = frozenset(("id", "label", "target", "slots", "family", "split"))  # what is told of a row: no part of its input
MAX_CELL = 2**24  # characters
MAX_SHOWN = 200  # of a name that is no file's


class BadFile(Exception):
    """A file cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column, or field of a line, is the label, which the target, and which ones are nothing of ours."""

    label: str | None = None
    target: str | None = None
    ignored: frozenset[str] = frozenset()
    are_cells: bool = False  # of a table: numbers, words and what is missing, and not the numbers of a vector
    are_read: bool = True  # not of queries, whose labels may be there and are nobody's business
    text: str | None = None
    can_be_named: bool = True  # by options, so that what is wrong may say which
    are_known: bool = True  # by their names to who is given the rows

    def given(self) -> dict[str, Any]:
        """What was chosen, by the names of the options."""
        ignored = sorted(self.ignored) or None
        columns = {"label_column": self.label, "target_column": self.target, "text_column": self.text}
        return columns | {"ignore": ignored, "cells": self.are_cells or None}

    def named(self) -> tuple[str | None, str | None]:
        """Names of label and target: those that were chosen, else both of ours."""
        if not self.are_read:
            return (None, None)
        return (self.label, self.target) if self.label or self.target else ("label", "target")

    def are_inputs(self, header: Sequence[str]) -> list[str]:
        """The columns that a vector is made of."""
        others = {*KNOWN, self.label, self.target} | self.ignored
        return [name for name in header if name not in others]

    def in_order(self, header: Sequence[str], first: tuple[str, ...], where: str) -> tuple[str, ...]:
        """Those columns, in the order of another line's, if there is one. Raises BadFile where they are others."""
        names = tuple(self.are_inputs(header))
        if "" in names:
            hint = ", or leave it out with --ignore ''" * self.can_be_named
            raise BadFile(f"{where}: a column has no name, as an index has: name it{hint}")
        if first and (differ := sorted({*names} ^ {*first})):
            what = "lacks" if differ[0] in first else "has"
            raise BadFile(f"{where}: {what} {differ[0]!r}, unlike the first line; write null for what is missing")
        return first or names


@dataclass(frozen=True, slots=True)
class Row:
    """One example or query: where it stands, what it is, what is known of it."""

    where: str
    input: Input
    id: str | None = None
    label: str | list[str] | None = None
    target: float | list[float] | None = None
    slots: list[dict[str, Any]] | None = None
    family: str = ""
    split: str = ""
    columns: tuple[str, ...] = ()  # of which the input is made, if it is


def read_lines(data: bytes, kind: str, source: Path, columns: Columns) -> list[Row]:
    """What a file of this content holds, "csv" or "jsonl". Raises BadFile."""
    found = _json_objects(data, source) if kind == "jsonl" else read_cells(data, source, columns)
    rows: list[Row] = []
    for where, cells in found:
        rows.append(_row(cells, where, source, columns, rows[0].columns if rows else ()))
    return rows


def read_cells(data: bytes, source: Path, columns: Columns) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each line of a CSV is, and its cells by the names of the columns. Raises BadFile."""
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(_lines(data, source), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, source, columns)
        for cells in reader:
            where = f"{source}:{reader.line_num}"
            if len(cells) not in (0, len(header)):
                raise BadFile(f"{where}: expected {len(header)} cells as in the first line, got {len(cells)}")
            if cells:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise BadFile(f"{source}:{reader.line_num}: {error}") from None


def files_of(folder: Path) -> list[Path]:
    """Every file in a folder and below, in order; hidden ones are left out."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))


def _lines(data: bytes, source: Path) -> Iterator[str]:
    """Without a byte order mark, which spreadsheets write."""
    try:
        yield from io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    except UnicodeDecodeError:
        raise BadFile(f"{source} is not text in UTF-8") from None


def _check_header(header: Sequence[str], source: Path, columns: Columns) -> None:
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise BadFile(f"{source}:1: the cells are separated by {called}; expected commas, and points in numbers")
    if not any(header) or all(_is_number(name) for name in header):
        raise BadFile(f"{source}:1: expected the names of the columns")
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadFile(f"{source}:1: the column {twice[0]!r} is there twice")
    for name in (columns.label, columns.target, columns.text, *sorted(columns.ignored)):
        if name is not None and name not in header:
            raise BadFile(f"{source}:1: there is no column {name!r}; there are {', '.join(header)}")


def _json_objects(data: bytes, source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_lines(data, source), 1):
        where = f"{source}:{number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadFile(f"{where}: expected an object of JSON: {error}") from None
        if not isinstance(found, dict):
            raise BadFile(f'{where}: expected an object of JSON, such as {{"input": ..., "label": ...}}')
        yield where, found


def _row(found: Mapping[str, Any], where: str, source: Path, columns: Columns, first: tuple[str, ...]) -> Row:
    """A line of a file as a row, with its cells in the order of the `first` columns; what is missing is null."""
    label, target = (found.get(name) if name else None for name in columns.named())
    label, target = (None if each == "" else each for each in (label, target))  # a blank cell
    several = label if isinstance(label, list) else [label]
    if not all(isinstance(each, str | int | None) and not isinstance(each, bool) for each in several):
        raise BadFile(f"{where}: expected a text as the label, or a list of texts")
    if columns.are_read and label is None and target is None:
        hint = "; --label-column or --target-column names another column" * columns.can_be_named
        raise BadFile(f"{where}: has neither {' nor '.join(filter(None, columns.named()))}{hint}")
    name = found.get("id")
    value, names = _input(found, where, source, columns, first)
    return Row(
        where,
        value,
        None if name is None else str(name),
        None if label is None else [str(each) for each in label] if isinstance(label, list) else str(label),
        None if target is None else _target(target, f"{where}: the target"),
        _slots(found, where) if columns.are_read else None,
        str(found.get("family") or ""),
        str(found.get("split") or ""),
        names,
    )


def _slots(found: Mapping[str, Any], where: str) -> list[dict[str, Any]] | None:
    slots = found.get("slots")
    if slots is not None and not (isinstance(slots, list) and all(isinstance(slot, dict) for slot in slots)):
        raise BadFile(f'{where}: expected slots as a list of {{"name": ..., "start": ..., "end": ...}}')
    return slots


def _input(
    found: Mapping[str, Any], where: str, source: Path, columns: Columns, first: tuple[str, ...]
) -> tuple[Input, tuple[str, ...]]:
    """What the line holds, and the columns that it is made of, if it is made of several."""
    if columns.text is not None:
        if not isinstance(text := found.get(columns.text), str):
            raise BadFile(f"{where}: has no text in {columns.text!r}, which --text-column names")
        return text, ()
    if columns.are_cells and not isinstance(found.get("input"), list):
        names = columns.in_order(list(found), first, where)
        return [_cell(found[name]) for name in names], names
    for name in IMAGES:
        if name in found and name not in columns.ignored:
            path = source.parent / str(found[name])
            if not _is_file(path):
                raise BadFile(f"{where}: there is no file {str(path)[:MAX_SHOWN]}")
            return path, ()
    for name in TEXTS:
        if name in found and name not in columns.ignored:
            return _whole(found[name], where, columns), ()
    names = columns.in_order(list(found), first, where)
    return _whole([found[name] for name in names] or None, where, columns, names), names


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long for one
        return False


def _whole(value: Any, where: str, columns: Columns, names: Sequence[str] = ()) -> Input:
    """An input as it stands in one place, or in the columns of these names."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and columns.are_cells:
        return [_cell(cell) for cell in value]
    if isinstance(value, list):
        shown = [f"the column {name!r}" for name in names] or [f"number {at + 1}" for at in range(len(value))]
        hint = "; --text-column names a column of texts, models of tables take words too" * bool(
            names and columns.can_be_named
        )
        return [_number(number, f"{where}: {what}", hint) for number, what in zip(value, shown, strict=True)]
    if isinstance(value, dict):
        return _image(value, where)
    raise BadFile(f"{where}: expected a text, a list of numbers or an image as the input")


def _cell(value: Any) -> Any:
    """A cell as it goes to a model of tables: what is empty is missing, what reads as a number is one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return float(value) if isinstance(value, str) and _is_number(value) and math.isfinite(float(value)) else value


def _image(value: Mapping[str, Any], where: str) -> bytes:
    try:
        return base64.b64decode(value["image"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise BadFile(f'{where}: expected an image as {{"image": "<base64>"}}') from None


def _target(value: Any, what: str) -> float | list[float]:
    if isinstance(value, list):
        return [_number(number, f"{what}, number {position}") for position, number in enumerate(value, 1)]
    return _number(value, what)


def _number(value: Any, what: str, hint: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _is_number(value):
        raise BadFile(f"{what}: expected a number, got {str(value)[:80]!r}{hint}")
    return float(value)


def _is_number(value: int | float | str) -> bool:
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
