"""What a method is asked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.text.features import Features
from benchmarks.text.sets import TextSet
from models.heads.head import Head

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """A set, the texts that are shown of it, and what encoders made of them."""

    content: TextSet
    texts: list[str]
    classes: Labels
    frozen: Features
    trained: Features | None = None  # and the head, where a method needs them
    head: Head | None = None
