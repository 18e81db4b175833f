"""Photographs by class: half of Caltech-101 (CC BY 4.0) and the Grocery Store set's train split (MIT)."""

import hashlib
import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.data.absent import AbsentDataSet
from models.data.converters.photos import CALTECH, GROCERY, Shards

SETS: dict[str, Shards] = {"caltech101_a": CALTECH, "grocery": GROCERY}


@dataclass(frozen=True)
class Photos:
    """JPEG files and what each shows, an index into `classes`."""

    jpegs: tuple[bytes, ...]
    label: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    def only(self, classes: npt.NDArray[np.int64]) -> "Photos":
        """The photographs of these classes; labels keep their meaning."""
        rows = np.flatnonzero(np.isin(self.label, classes))
        return Photos(tuple(self.jpegs[row] for row in rows), self.label[rows], self.classes)

    def image(self, row: int) -> Image.Image:
        """One photograph, decoded."""
        return Image.open(io.BytesIO(self.jpegs[row])).convert("RGB")

    def rows(self) -> list[npt.NDArray[np.int64]]:
        """The photographs of each class that is present."""
        return [np.flatnonzero(self.label == label) for label in np.unique(self.label)]

    def digest(self) -> str:
        """SHA-256 of the JPEG files and labels, so that a card can say what a model was trained on."""
        digest = hashlib.sha256(self.label.tobytes())
        for jpeg in self.jpegs:
            digest.update(hashlib.sha256(jpeg).digest())
        return digest.hexdigest()


def load_photos(data: Path, name: str) -> Photos:
    """Read one of the sets from its folder in `data`."""
    jpegs: list[bytes] = []
    labels: list[npt.NDArray[np.int64]] = []
    classes: tuple[str, ...] = ()
    for path in (data / name / shard for shard in SETS[name].names):
        if not path.is_file():
            raise AbsentDataSet(name, path)
        with np.load(path) as shard:
            content, offset = shard["data"].tobytes(), shard["offset"].tolist()
            jpegs += [content[first:last] for first, last in pairwise(offset)]
            labels.append(shard["label"].astype(np.int64))
            classes = tuple(map(str, shard["classes"]))
    return Photos(tuple(jpegs), np.concatenate(labels), classes)
