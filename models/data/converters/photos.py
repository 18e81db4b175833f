"""Photographs: archives of JPEG files in class folders -> shards of small JPEGs, a chosen few of each class.

Which photographs are chosen is in photo_files.json: the folder of each class and the numbers of its files, in order.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.inputs.image import upright

CHOSEN = Path(__file__).parents[1] / "photo_files.json"
Files = dict[str, list[int]]  # the folder of a class -> the numbers of its files


@dataclass(frozen=True)
class Shards:
    """How a set is stored: the square photographs' side and quality, the names of its files, photographs in each."""

    side: int
    quality: int
    split: str
    names: Sequence[str]
    sizes: Sequence[int]


CALTECH = Shards(128, 85, "a", [f"caltech101_a_128_part{part}.npz" for part in (1, 2, 3)], (665, 672, 230))
GROCERY = Shards(112, 82, "train", [f"grocery_train_112_part{part}.npz" for part in (1, 2)], (807, 801))
TRAIN = "train/"  # where classes begin


def caltech101_a(downloads: Path, out: Path) -> None:
    """About thirty photographs of each of 49 classes; the other half of the classes is left for measuring."""
    files = chosen("caltech101_a")
    paths = [f"{folder}/image_{number:04d}.jpg" for folder, numbers in files.items() for number in numbers]
    write(downloads / "archive.zip", out, files, paths, CALTECH)


def grocery(downloads: Path, out: Path) -> None:
    """At most twenty photographs of each of 81 goods, of the official train split alone."""
    files = chosen("grocery")
    paths = [f"{folder}/{_name(folder)}_{number:03d}.jpg" for folder, numbers in files.items() for number in numbers]
    write(downloads / "archive.zip", out, files, paths, GROCERY, coarse=True)


def chosen(name: str) -> Files:
    """The files of a set, by class."""
    found: Files = json.loads(CHOSEN.read_text("utf-8"))[name]
    return found


def write(archive: Path, out: Path, files: Files, paths: Sequence[str], shards: Shards, coarse: bool = False) -> None:
    """One file a shard: the JPEGs one after another, where each begins, and what each shows."""
    labels = np.repeat(np.arange(len(files)), [len(numbers) for numbers in files.values()]).astype(np.int16)
    about: dict[str, Any] = {"classes": np.array([_name(folder) for folder in files])}
    if coarse:
        about["coarse"] = np.array([_coarse(folder) for folder in files])
    first = 0
    for name, size in zip(shards.names, shards.sizes, strict=True):
        mine = slice(first, first + size)
        jpegs = _jpegs(archive, paths[mine], shards)
        np.savez_compressed(
            out / name,
            data=np.frombuffer(b"".join(jpegs), np.uint8),
            offset=np.cumsum([0, *map(len, jpegs)]),
            label=labels[mine],
            source_path=np.array([path.encode() for path in paths[mine]]),
            split=np.array([shards.split.encode()] * size),
            **about,
        )
        first += size


def _jpegs(archive: Path, paths: Sequence[str], shards: Shards) -> list[bytes]:
    """The centre square of each photograph at one size."""
    with zipfile.ZipFile(archive) as files:
        top = files.namelist()[0].partition("/")[0]
        return [_square(files.read(f"{top}/{path}"), shards) for path in paths]


def _square(content: bytes, shards: Shards) -> bytes:
    image = upright(Image.open(io.BytesIO(content))).convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    by = Image.Resampling.LANCZOS if side >= shards.side else Image.Resampling.BICUBIC
    encoded = io.BytesIO()
    square.resize((shards.side, shards.side), by).save(encoded, "JPEG", quality=shards.quality, optimize=True)
    return encoded.getvalue()


def _name(folder: str) -> str:
    return folder.rpartition("/")[2]


def _coarse(folder: str) -> str:
    """Fruit/Apple of dataset/train/Fruit/Apple/Golden-Delicious, and of dataset/train/Fruit/Apple."""
    return "/".join(folder.partition(TRAIN)[2].split("/")[:2])
