"""A user's own labelled data: folders of images, CSV or JSONL, read into the one schema of data."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from models.data.schema import DataSet, Example, Split, UnusableData, digest_of
from models.inputs.image import InvalidImage, decode_image
from models.inputs.vector import LARGEST

LABEL, FAMILY, TEXT, INPUT, TARGET, SPLIT = "label", "family", "text", "input", "target", "split"
NAMED = frozenset(("id", LABEL, FAMILY, TEXT, TARGET, SPLIT))  # columns that are no numbers of a vector
IMAGES = frozenset((".png", ".jpg", ".jpeg", ".webp"))
LICENCES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "LICENSE.md", "LICENCE.md")
MAX_PIXELS = 64_000_000


def read_own(source: Path) -> DataSet:
    """A folder of images (class folders, or class folders in family folders), a .csv or a .jsonl. UnusableData."""
    if source.is_dir():
        return _owned("image", list(_images(source)), source)
    if not source.is_file():
        raise UnusableData(f"there is no {source}")
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    if source.suffix not in readers:
        raise UnusableData(f"{source} is no folder, .csv or .jsonl")
    examples = [_example(row, f"{source}:{line}") for line, row in readers[source.suffix](source)]
    are_texts = {isinstance(example.input, str) for example in examples}
    if len(are_texts) > 1:
        raise UnusableData(f"{source} mixes texts and vectors")
    if len({len(example.target) for example in examples}) > 1:
        raise UnusableData(f"{source} mixes labels with targets, or targets of different lengths")
    return _owned("text" if True in are_texts else "vector", examples, source)


def decoded(path: Path) -> Image.Image:
    """The picture in this file. Raises UnusableData."""
    try:
        return decode_image(path.read_bytes(), MAX_PIXELS)
    except (InvalidImage, OSError) as error:
        raise UnusableData(f"{path}: {error}") from None


def _owned(modality: Literal["image", "text", "vector"], examples: list[Example], source: Path) -> DataSet:
    if not examples:
        raise UnusableData(f"{source} holds no labelled examples")
    if modality == "vector":
        _same_lengths(examples, source)
    return DataSet(source.name, modality, tuple(examples), digest_of(examples), _licence(source))


def _licence(source: Path) -> str:
    """The first line of a file of that name in the folder, or beside the file."""
    folder = source if source.is_dir() else source.parent
    found = next((folder / name for name in LICENCES if (folder / name).is_file()), None)
    lines = found.read_text("utf-8", "replace").splitlines() if found else []
    return next((line.strip("# ").strip() for line in lines if line.strip()), "")


def _same_lengths(examples: list[Example], source: Path) -> None:
    lengths = {len(example.input) for example in examples if isinstance(example.input, list)}
    if len(lengths) > 1:
        raise UnusableData(f"{source} has vectors of {min(lengths)} and of {max(lengths)} numbers")


def _images(source: Path) -> Iterator[Example]:
    """Images by their folders: source/label/x.png, or source/family/label/x.png throughout."""
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in IMAGES and path.is_file())
    depths = {len(path.relative_to(source).parts) for path in paths}
    if depths - {2} and depths - {3}:
        raise UnusableData(
            f"{source} must hold a folder of images a label, or such folders grouped by a folder a family, throughout"
        )
    for path in paths:
        *family, label, _ = path.relative_to(source).parts
        yield Example(path, label, "/".join(family))


def _csv_rows(source: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Lines by header; where there is no column of texts, every column that has no other part is a number."""
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not {LABEL, TARGET} & {*(reader.fieldnames or [])}:
            raise UnusableData(f"{source} needs a header with the column {LABEL!r}, or {TARGET!r} for numbers")
        for row in reader:
            if None in row or None in row.values():
                raise UnusableData(f"{source}:{reader.line_num}: the row is not as long as the header")
            cells = {name: cell for name, cell in row.items() if name not in NAMED}
            yield reader.line_num, {**row, INPUT: row.get(TEXT) if TEXT in row else list(cells.values())}


def _json_rows(source: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """One object a line: label or target, input (a text or numbers; `text` will do), perhaps a family and a split."""
    for number, line in enumerate(source.read_text("utf-8").splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise UnusableData(f"{source}:{number}: the line is no JSON object")
            yield number, {INPUT: row.get(TEXT), **row}


def _example(row: Mapping[str, Any], place: str) -> Example:
    given, family = row.get(INPUT), str(row.get(FAMILY) or "")
    split: Any = row.get(SPLIT) or "train"
    label, target = row.get(LABEL, ""), row.get(TARGET)
    if split not in get_args(Split):
        raise UnusableData(f"{place}: the split {split!r} is none of {', '.join(get_args(Split))}")
    values = () if target in (None, "") else _numbers(target if isinstance(target, list) else [target], place)
    if not values and (isinstance(label, bool) or not isinstance(label, str | int) or not str(label)):
        raise UnusableData(f"{place}: there is no {LABEL}")
    if values and label not in (None, ""):
        raise UnusableData(f"{place}: there are a {LABEL} and a {TARGET}")
    if not isinstance(given, str | list) or not given:
        raise UnusableData(f"{place}: there is no text and there are no numbers")
    read = given if isinstance(given, str) else list(_numbers(given, place))
    return Example(read, "" if values else str(label), family, values, split)


def _numbers(given: list[Any], place: str) -> tuple[float, ...]:
    try:
        numbers = np.array(given, np.float64)
    except (TypeError, ValueError):
        raise UnusableData(f"{place}: not every cell is a number") from None
    if numbers.ndim != 1 or not (np.abs(numbers) <= LARGEST).all():
        raise UnusableData(f"{place}: not every number is finite")
    return tuple(numbers.tolist())
