"""What encoders make of the texts of a set, kept on the disk: a text is encoded once by each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.inputs.text import TextInput
from models.training.objectives.gathering import encoded

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Rows of features by text."""

    place: dict[str, int]
    rows: Array

    def of(self, texts: Sequence[str]) -> Array:
        """The rows of these texts."""
        rows: Array = self.rows[[self.place[text] for text in texts]]
        return rows


def features_of(encoder: torch.nn.Module, key: str, texts: Sequence[str], folder: Path) -> Features:
    """Features by an encoder whose content `key` names, as they are served: in bfloat16."""
    digest = hashlib.sha256("\0".join([key, *texts]).encode()).hexdigest()[:16]
    path = folder / f"features-{digest}.npy"
    if not path.is_file():
        read = TextInput()
        rows = torch.from_numpy(np.stack([read(text) for text in texts]))
        with torch.inference_mode():
            made = encoded(encoder.to(torch.bfloat16), read, rows, in_bfloat16=False).numpy()
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".partial")
        with beside.open("wb") as file:
            np.save(file, made)
        beside.replace(path)
    return Features({text: place for place, text in enumerate(texts)}, np.load(path))
