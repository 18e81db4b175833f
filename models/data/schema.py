"""One schema for labelled data of any kind: rows with a target, a family and a split; and a licence.

Whatever can be read into it is a source of tasks: a user's own files (own.py) and the public sets (named.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Split: TypeAlias = Literal["train", "val", "test"]
Input: TypeAlias = Path | bytes | str | Sequence[float] | npt.NDArray[Any]  # images: a file, its content, its pixels
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class UnusableData(ValueError):
    """This data cannot be trained on; the message is a sentence for its owner, with the place."""


@dataclass(frozen=True)
class Example:
    """One row: an image, a text, or numbers; a label or numbers to predict.

    A family groups what belongs together: a task takes its ways, or the rows of its regression, from one.
    """

    input: Input
    label: str = ""
    family: str = ""
    target: tuple[float, ...] = ()
    split: Split = "train"


@dataclass(frozen=True)
class DataSet:
    """Rows of one modality and one kind, and what they may be used for; an empty licence is an unknown one."""

    name: str
    modality: Literal["image", "text", "vector"]
    examples: Sequence[Example]
    digest: str = ""  # SHA-256 of inputs and targets, for the card
    licence: str = ""

    @property
    def kind(self) -> Literal["classification", "regression"]:
        """Whether the targets are numbers."""
        return "regression" if any(each.target for each in self.examples) else "classification"

    def classes(self, *splits: Split) -> Mapping[tuple[str, str], list[int]]:
        """Family and label -> the positions of their examples, in order; of these splits, or of all."""
        found: dict[tuple[str, str], list[int]] = {}
        for position, example in enumerate(self.examples):
            if not splits or example.split in splits:
                found.setdefault((example.family, example.label), []).append(position)
        return dict(sorted(found.items()))


def content(given: Input) -> bytes:
    """What an input holds, to digest and to compare."""
    if isinstance(given, Path):
        return given.read_bytes()
    if isinstance(given, bytes):
        return given
    return given.tobytes() if isinstance(given, np.ndarray) else json.dumps(given).encode()


def digest_of(examples: Sequence[Example]) -> str:
    """SHA-256 of the rows and what they are to be answered with."""
    digest = hashlib.sha256()
    for example in examples:
        told = [example.family, example.label, hashlib.sha256(content(example.input)).hexdigest()]
        more = [list(example.target)] if example.target else []
        digest.update(json.dumps([*told, *more]).encode())
    return digest.hexdigest()
