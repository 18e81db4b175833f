"""A user's own labelled data: folders of images, CSV or JSONL, read into the one schema of data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from models.data.schema import DataSet, Example, Split, UnusableData, digest_of
from models.files import KINDS, BadFile, Columns, Row, files_of, read_lines
from models.inputs.image import InvalidImage, decode_image
from models.inputs.vector import LARGEST

IMAGES = frozenset((".png", ".jpg", ".jpeg", ".webp"))
LICENCES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "LICENSE.md", "LICENCE.md")
MAX_PIXELS = 64_000_000

Modality: TypeAlias = Literal["image", "text", "vector"]


def read_own(source: Path) -> DataSet:
    """A folder of images (class folders, or class folders in family folders), a .csv or a .jsonl. UnusableData."""
    if source.is_dir():
        return _owned("image", list(_images(source)), source)
    if not source.is_file():
        raise UnusableData(f"there is no {source}")
    if source.suffix.lower() not in KINDS:
        raise UnusableData(f"{source} is no folder, .csv or .jsonl")
    try:
        rows = read_lines(source.read_bytes(), KINDS[source.suffix.lower()], source, Columns(can_be_named=False))
    except BadFile as error:
        raise UnusableData(str(error)) from None
    examples = [_example(row) for row in rows]
    modalities = sorted({_modality(example) for example in examples})
    if len(modalities) > 1:
        raise UnusableData(f"{source} mixes {modalities[0]}s and {modalities[1]}s")
    if len({len(example.target) for example in examples}) > 1:
        raise UnusableData(f"{source} mixes labels with targets, or targets of different lengths")
    return _owned(modalities[0] if modalities else "vector", examples, source)


def decoded(given: Path | bytes) -> Image.Image:
    """The picture in this file, or of this content. Raises UnusableData."""
    try:
        return decode_image(given if isinstance(given, bytes) else given.read_bytes(), MAX_PIXELS)
    except (InvalidImage, OSError) as error:
        raise UnusableData(f"{'an image' if isinstance(given, bytes) else given}: {error}") from None


def _modality(example: Example) -> Modality:
    if isinstance(example.input, str):
        return "text"
    return "vector" if isinstance(example.input, list) else "image"


def _owned(modality: Modality, examples: list[Example], source: Path) -> DataSet:
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
    paths = [path for path in files_of(source) if path.suffix.lower() in IMAGES]
    depths = {len(path.relative_to(source).parts) for path in paths}
    if depths - {2} and depths - {3}:
        raise UnusableData(
            f"{source} must hold a folder of images a label, or such folders grouped by a folder a family, throughout"
        )
    for path in paths:
        *family, label, _ = path.relative_to(source).parts
        yield Example(path, label, "/".join(family))


def _example(row: Row) -> Example:
    split: Any = row.split or "train"
    given: Any = row.input
    values = () if row.target is None else tuple(np.atleast_1d(row.target).tolist())
    if split not in get_args(Split):
        raise UnusableData(f"{row.where}: the split {split!r} is none of {', '.join(get_args(Split))}")
    if values and row.label is not None:
        raise UnusableData(f"{row.where}: there are a label and a target")
    if not values and row.label is None:
        raise UnusableData(f"{row.where}: the target is empty")
    if isinstance(row.label, list):
        raise UnusableData(f"{row.where}: there are several labels; tasks are made of rows of one")
    if isinstance(given, str | list) and not given:
        raise UnusableData(f"{row.where}: there is no text and there are no numbers")
    _refuse_large([*values, *(given if isinstance(given, list) else ())], row.where)
    return Example(given, row.label or "", row.family, values, split)


def _refuse_large(numbers: Sequence[Any], where: str) -> None:
    if not (np.abs(np.array(numbers, np.float64)) <= LARGEST).all():  # so that NaN is not
        raise UnusableData(f"{where}: not every number is finite in single precision")
