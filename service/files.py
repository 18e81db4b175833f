"""Examples and queries as people have them: folders of images, CSV, lines of JSON. Errors name file and line."""

import base64
import csv
import io
import json
import math
import mimetypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias

Input: TypeAlias = str | list[float] | list[float | str | None] | bytes | Path  # text, vector, row, image, its path

STDIN = Path("-")
KINDS = {".json": "json", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
TEXTS, IMAGES = ("input", "text"), ("image", "path")  # what holds the whole input of a row
MAX_CELL = 2**24  # characters


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
        others = {"id", "label", "target", "slots", self.label, self.target} | self.ignored
        return [name for name in header if name not in others]


@dataclass(frozen=True, slots=True)
class Row:
    """One example or query: where it stands, what it is, what is known of it."""

    where: str
    input: Input
    id: str | None = None
    label: str | list[str] | None = None
    target: float | list[float] | None = None
    slots: list[dict[str, Any]] | None = None


def kind_of(source: Path, given: str | None) -> str:
    """json, jsonl, csv, folder or image: as it is called, unless it was said."""
    if given is not None:
        return given
    if source == STDIN:
        return "jsonl"
    return "folder" if source.is_dir() else KINDS.get(source.suffix.lower(), "image")


def read_rows(source: Path, kind: str, columns: Columns) -> list[Row]:
    """What a source holds. Raises BadFile."""
    if kind == "folder":
        return [Row(str(path), path) for path in _files(source) if _may_be_image(path)]
    if kind == "image":
        return [Row(str(source), source)]
    with _opened(source) as lines:
        return list((_csv_rows if kind == "csv" else _json_rows)(lines, source, columns))


def strays(folder: Path, *, are_examples: bool = False) -> list[Path]:
    """The files of a folder that are passed over: no images; of examples, what is not in the folder of a label."""
    return [path for path in _files(folder) if not _may_be_image(path) or (are_examples and path.parent == folder)]


def read_examples(source: Path, kind: str, columns: Columns) -> list[Row]:
    """What a source holds to learn from; the label of an image in a folder is the folder right above it."""
    rows = read_rows(source, kind, columns)
    if kind == "folder":
        rows = [Row(row.where, row.input, label=Path(row.where).parent.name) for row in rows]
        rows = [row for row in rows if Path(row.where).parent != source]
    if not rows:
        raise BadFile(f"{source} holds no examples" + ("; expected a folder of images a label" * (kind == "folder")))
    for name in ("id", "label", "target"):
        lacking = [row for row in rows if getattr(row, name) is None]
        if lacking and len(lacking) < len(rows):
            raise BadFile(f"{lacking[0].where}: has no {name}, while others have one")
    return rows


def read_names(source: Path) -> dict[str, str]:
    """What labels mean: an object of JSON, or CSV with the columns label and name. Raises BadFile."""
    if kind_of(source, None) == "csv":
        with _opened(source) as lines:
            rows = list(csv.DictReader(lines))
        if not all(set(row) == {"label", "name"} and None not in row.values() for row in rows):
            raise BadFile(f"{source}: expected the columns label and name")
        return {row["label"]: row["name"] for row in rows}
    try:
        found = json.loads(read_bytes(source))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{source}: expected an object of JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise BadFile(f'{source}: expected an object of JSON, such as {{"card_lost": "the card is lost or stolen"}}')
    return found


def read_bytes(source: Path) -> bytes:
    """The content of a file, or of standard input."""
    return sys.stdin.buffer.read() if source == STDIN else source.read_bytes()


@contextmanager
def _opened(source: Path) -> Iterator[TextIO]:
    """The lines of a file; without a byte order mark, which spreadsheets write."""
    data = io.BytesIO(read_bytes(source))
    try:
        yield io.TextIOWrapper(data, "utf-8-sig", newline="")
    except UnicodeDecodeError:
        raise BadFile(f"{source} is not text in UTF-8") from None


def _csv_rows(lines: TextIO, source: Path, columns: Columns) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, source, columns)
        for cells in reader:
            where = f"{source}:{reader.line_num}"
            if len(cells) not in (0, len(header)):
                raise BadFile(f"{where}: expected {len(header)} cells as in the first line, got {len(cells)}")
            if cells:
                yield _row(dict(zip(header, cells, strict=True)), where, source, columns)
    except csv.Error as error:
        raise BadFile(f"{source}:{reader.line_num}: {error}") from None


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


def _json_rows(lines: TextIO, source: Path, columns: Columns) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        where = f"{source}:{number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadFile(f"{where}: expected an object of JSON: {error}") from None
        if not isinstance(found, dict):
            raise BadFile(f'{where}: expected an object of JSON, such as {{"input": ..., "label": ...}}')
        yield _row(found, where, source, columns)


def _row(found: Mapping[str, Any], where: str, source: Path, columns: Columns) -> Row:
    """A line of a file as a row; what is missing is null."""
    label, target = (found.get(name) if name else None for name in columns.named())
    several = label if isinstance(label, list) else [label]
    if not all(isinstance(each, str | int | None) and not isinstance(each, bool) for each in several):
        raise BadFile(f"{where}: expected a text as the label, or a list of texts")
    if columns.are_read and label is None and target is None:
        names = " nor ".join(filter(None, columns.named()))
        raise BadFile(f"{where}: has neither {names}; --label-column or --target-column names another column")
    name = found.get("id")
    return Row(
        where,
        _input(found, where, source, columns),
        None if name is None else str(name),
        None if label is None else [str(each) for each in label] if isinstance(label, list) else str(label),
        None if target is None else _target(target, f"{where}: the target"),
        _slots(found, where) if columns.are_read else None,
    )


def _slots(found: Mapping[str, Any], where: str) -> list[dict[str, Any]] | None:
    slots = found.get("slots")
    if slots is not None and not (isinstance(slots, list) and all(isinstance(slot, dict) for slot in slots)):
        raise BadFile(f'{where}: expected slots as a list of {{"name": ..., "start": ..., "end": ...}}')
    return slots


def _input(found: Mapping[str, Any], where: str, source: Path, columns: Columns) -> Input:
    if columns.text is not None:
        if not isinstance(text := found.get(columns.text), str):
            raise BadFile(f"{where}: has no text in {columns.text!r}, which --text-column names")
        return text
    if columns.are_cells and not isinstance(found.get("input"), list):
        return [_cell(found[name]) for name in columns.are_inputs(list(found))]
    for name in IMAGES:
        if name in found and name not in columns.ignored:
            path = source.parent / str(found[name])
            if not path.is_file():
                raise BadFile(f"{where}: there is no file {path}")
            return path
    for name in TEXTS:
        if name in found and name not in columns.ignored:
            return _whole(found[name], where, columns)
    names = columns.are_inputs(list(found))
    return _whole([found[name] for name in names] or None, where, columns, names)


def _whole(value: Any, where: str, columns: Columns, names: Sequence[str] = ()) -> Input:
    """An input as it stands in one place, or in the columns of these names."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and columns.are_cells:
        return [_cell(cell) for cell in value]
    if isinstance(value, list):
        shown = [f"the column {name!r}" for name in names] or [f"number {at + 1}" for at in range(len(value))]
        hint = "; --text-column names a column of texts" if names else ""
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


def _is_number(value: float | str) -> bool:
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))


def _may_be_image(path: Path) -> bool:
    """Whether its name does not say that it is something else; the service looks at what it holds."""
    kind, _ = mimetypes.guess_type(path.name)
    return kind is None or kind.startswith("image/")


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
