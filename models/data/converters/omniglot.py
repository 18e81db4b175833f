"""Omniglot: the two official archives of PNG drawings -> packed bits at 105 x 105 and grey levels at 28 x 28."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

SMALL = 28
LEVEL = 17  # grey levels of 255 in one of sixteen
Columns = Mapping[str, Any]  # arrays, one entry a drawing


def omniglot(downloads: Path, out: Path) -> None:
    """Six files: each split whole at 28 pixels, and in two parts at 105."""
    archives = {split: downloads / f"images_{split}.zip" for split in ("background", "evaluation")}
    alphabets = {split: _alphabets(archive) for split, archive in archives.items()}
    names = np.array([name for split in alphabets.values() for name in split])
    first_alphabet = first_character = 0
    for split, archive in archives.items():
        columns, bits, nibbles = _read(archive, alphabets[split], first_alphabet, first_character)
        np.savez_compressed(out / f"omniglot_{split}_28_g4.npz", nibbles=nibbles, **columns, alphabets=names)
        middle = len(bits) // 40 * 20  # a part holds whole characters, of twenty drawings
        middle += 20 if len(bits) % 40 else 0
        for part, rows in enumerate((slice(middle), slice(middle, None)), start=1):
            chosen: Columns = {name: column[rows] for name, column in columns.items()}
            path = out / f"omniglot_{split}_105_1bit_part{part}.npz"
            np.savez_compressed(path, bits=bits[rows], **chosen, alphabets=names)
        first_alphabet += len(alphabets[split])
        first_character += len(bits) // 20


def _alphabets(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as files:
        return sorted({path.parts[-3] for path in _drawings(files)})


def _drawings(files: zipfile.ZipFile) -> Iterator[PurePosixPath]:
    """Paths of the form images_background/Korean/character01/0001_01.png, in order."""
    names = sorted(name for name in files.namelist() if name.endswith(".png"))
    return (path for path in map(PurePosixPath, names) if len(path.parts) == 4)


def _read(
    archive: Path, alphabets: list[str], first_alphabet: int, first_character: int
) -> tuple[Columns, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """What the paths say of each drawing, its packed ink, and its sixteen grey levels, two to a byte."""
    rows, bits, nibbles = [], [], []
    characters: dict[PurePosixPath, int] = {}
    with zipfile.ZipFile(archive) as files:
        for path in _drawings(files):
            character = characters.setdefault(path.parent, first_character + len(characters))
            number, drawer = map(int, path.stem.split("_"))
            alphabet = first_alphabet + alphabets.index(path.parts[-3])
            rows.append((alphabet, character, int(path.parts[-2].removeprefix("character")), drawer, number))
            ink = ~np.asarray(Image.open(io.BytesIO(files.read(str(path)))).convert("1"))
            bits.append(np.packbits(ink, axis=1))
            nibbles.append(_small(ink))
    names = ("alphabet", "character", "char_in_alphabet", "drawer", "file_number")
    types = (np.uint8, np.uint16, np.uint8, np.uint8, np.uint16)
    columns = {
        name: np.array(column, kind) for name, kind, column in zip(names, types, zip(*rows, strict=True), strict=True)
    }
    return columns, np.stack(bits), np.stack(nibbles)


def _small(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Area averages at 28 x 28 in sixteen levels."""
    grey = Image.fromarray(ink.astype(np.uint8) * np.uint8(255)).resize((SMALL, SMALL), Image.Resampling.BOX)
    levels = np.round(np.asarray(grey) / LEVEL).astype(np.uint8)
    return (levels[:, 0::2] * 16 + levels[:, 1::2]).astype(np.uint8)


def vinyals(downloads: Path, out: Path) -> None:
    """Four lists of rotated characters, as they are."""
    for path in sorted(downloads.glob("*.txt")):
        (out / path.name).write_bytes(path.read_bytes())
