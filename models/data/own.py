"""A user's own labelled data: folders of images, CSV or JSONL -> rows, their classes, and families of classes.

A family groups classes that belong together, such as the letters of one alphabet: a task takes its ways from one.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.inputs.image import InvalidImage, decode_image
from models.inputs.vector import LARGEST

LABEL, FAMILY, TEXT, INPUT = "label", "family", "text", "input"
IMAGES = frozenset((".png", ".jpg", ".jpeg", ".webp"))
MAX_PIXELS = 64_000_000


class UnusableData(ValueError):
    """This data cannot be trained on; the message is a sentence for its owner, with the place."""


@dataclass(frozen=True)
class Example:
    """One labelled input: a path of an image, a text, or numbers."""

    input: Path | str | list[float]
    label: str
    family: str = ""


@dataclass(frozen=True)
class Owned:
    """All examples of one source, of one kind."""

    kind: str  # image | text | vector
    examples: tuple[Example, ...]
    digest: str  # SHA-256 of the inputs and labels, for the card

    def classes(self) -> Mapping[tuple[str, str], list[int]]:
        """Family and label -> the positions of their examples, in order."""
        found: dict[tuple[str, str], list[int]] = {}
        for position, example in enumerate(self.examples):
            found.setdefault((example.family, example.label), []).append(position)
        return dict(sorted(found.items()))


def read_own(source: Path) -> Owned:
    """A folder of images (class folders, or class folders in family folders), a .csv or a .jsonl. UnusableData."""
    if source.is_dir():
        return _owned("image", list(_images(source)), source)
    if not source.is_file():
        raise UnusableData(f"there is no {source}")
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    if source.suffix not in readers:
        raise UnusableData(f"{source} is no folder, .csv or .jsonl")
    examples = [_example(row, f"{source}:{line}") for line, row in readers[source.suffix](source)]
    kinds = {"text" if isinstance(example.input, str) else "vector" for example in examples}
    if len(kinds) > 1:
        raise UnusableData(f"{source} mixes texts and vectors")
    return _owned(kinds.pop() if kinds else "vector", examples, source)


def decoded(path: Path) -> Image.Image:
    """The picture in this file. Raises UnusableData."""
    try:
        return decode_image(path.read_bytes(), MAX_PIXELS)
    except (InvalidImage, OSError) as error:
        raise UnusableData(f"{path}: {error}") from None


def _owned(kind: str, examples: list[Example], source: Path) -> Owned:
    if not examples:
        raise UnusableData(f"{source} holds no labelled examples")
    if kind == "vector":
        _same_lengths(examples, source)
    digest = hashlib.sha256()
    for example in examples:
        content = example.input.read_bytes() if isinstance(example.input, Path) else json.dumps(example.input).encode()
        digest.update(json.dumps([example.family, example.label, hashlib.sha256(content).hexdigest()]).encode())
    return Owned(kind, tuple(examples), digest.hexdigest())


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
    """Lines by header; where there is no column of texts, every column but label and family is a number."""
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if LABEL not in (reader.fieldnames or []):
            raise UnusableData(f"{source} needs a header with the column {LABEL!r}")
        for row in reader:
            if None in row or None in row.values():
                raise UnusableData(f"{source}:{reader.line_num}: the row is not as long as the header")
            cells = {name: cell for name, cell in row.items() if name not in (LABEL, FAMILY, TEXT)}
            yield reader.line_num, {**row, INPUT: row.get(TEXT) if TEXT in row else list(cells.values())}


def _json_rows(source: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """One object a line: label, input (a text or numbers; `text` will do), and a family if there are any."""
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
    label, family, given = row.get(LABEL), row.get(FAMILY) or "", row.get(INPUT)
    if not isinstance(label, str | int) or not str(label):
        raise UnusableData(f"{place}: there is no {LABEL}")
    if isinstance(given, str) and given:
        return Example(given, str(label), str(family))
    if not isinstance(given, list) or not given:
        raise UnusableData(f"{place}: there is no text and there are no numbers")
    try:
        numbers = np.array(given, np.float64)
    except (TypeError, ValueError):
        raise UnusableData(f"{place}: not every cell is a number") from None
    if numbers.ndim != 1 or not (np.abs(numbers) <= LARGEST).all():
        raise UnusableData(f"{place}: not every number is finite")
    return Example(numbers.tolist(), str(label), str(family))
