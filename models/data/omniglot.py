"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by 20 people (Lake et al. 2015, MIT licence)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.data.absent import AbsentDataSet

SIDE = 105
DRAWERS = 20

Split = Literal["background", "evaluation"]


@dataclass(frozen=True)
class Omniglot:
    """Drawings by character and drawer: images [characters, 20, 105, 105] of 0 and 1 (ink), and their alphabets."""

    images: npt.NDArray[np.uint8]
    alphabet: npt.NDArray[np.int64]  # [characters], an index into `alphabets`
    alphabets: tuple[str, ...]

    def only(self, alphabets: range) -> "Omniglot":
        """The characters of these alphabets, by index."""
        chosen = np.isin(self.alphabet, list(alphabets))
        return Omniglot(self.images[chosen], self.alphabet[chosen], self.alphabets)

    def characters_by_alphabet(self) -> dict[str, npt.NDArray[np.int64]]:
        """Which characters belong to each alphabet that is present."""
        return {self.alphabets[a]: np.flatnonzero(self.alphabet == a) for a in np.unique(self.alphabet)}

    def digest(self) -> str:
        """SHA-256 of the decoded drawings, so that a card can say what a model was trained on."""
        return hashlib.sha256(np.packbits(self.images).tobytes()).hexdigest()


def load_omniglot(data: Path, split: Split) -> Omniglot:
    """Read one split from the folder `data`/omniglot; background for training, evaluation only for measuring."""
    parts = [data / "omniglot" / f"omniglot_{split}_105_1bit_part{part}.npz" for part in (1, 2)]
    for part in parts:
        if not part.is_file():
            raise AbsentDataSet("omniglot", part)
    arrays = [np.load(part) for part in parts]
    packed = np.concatenate([array["bits"] for array in arrays])
    images = np.unpackbits(packed, axis=2)[:, :, :SIDE].reshape(-1, DRAWERS, SIDE, SIDE)
    alphabet = np.concatenate([array["alphabet"] for array in arrays])[::DRAWERS].astype(np.int64)
    names = np.load(data / "omniglot" / f"omniglot_{split}_28_g4.npz")["alphabets"]
    return Omniglot(images, alphabet, tuple(str(name) for name in names))
