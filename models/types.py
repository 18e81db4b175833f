"""Batches of tasks: what encoders, heads and objectives hand to each other.

Shape legend, used in every annotation:
    T tasks in a batch    S support rows a task    Q query rows a task    N ways (labels of a task)
    D feature width       O regression outputs     L inner length (tokens, patches, columns)
    B flat rows           *F feature axes          *X input axes
    K slots, and outside of them                   E tags of words      M slots, without the outside
Tasks are ragged; a batch pads them, and a mask says which rows and ways are real.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

TaskParams: TypeAlias = dict[str, Tensor]  # what adaptation made, nothing else; leaves [T, ...]


@dataclass(frozen=True)
class Rows:
    """Rows of T tasks, padded to the longest: values, which rows are real, and where the real ones lie.

    `index` holds the positions of the real rows in the flattened [T*S] order. It is made on the host, once,
    so that going flat is a gather and never waits for the device.
    """

    values: Shaped[Tensor, "T S *F"]
    mask: Bool[Tensor, "T S"]
    index: Int64[Tensor, "B"]
    inner: Bool[Tensor, "T S L"] | None = None

    def flat(self) -> tuple[Shaped[Tensor, "B *F"], Int64[Tensor, "B"]]:
        """Only the real rows, one after another, and the task each belongs to."""
        return self.values.flatten(0, 1)[self.index], self.index // self.mask.shape[1]

    def with_values(self, flat: Shaped[Tensor, "B *G"]) -> "Rows":
        """The same rows with new values, given flat; padding becomes zero."""
        T, S = self.mask.shape
        padded = flat.new_zeros((T * S, *flat.shape[1:])).index_copy(0, self.index, flat)
        return replace(self, values=padded.view(T, S, *flat.shape[1:]))


def full_rows(values: Shaped[Tensor, "T S *F"]) -> Rows:
    """Rows without padding."""
    T, S = values.shape[:2]
    mask = torch.ones(T, S, dtype=torch.bool, device=values.device)
    return Rows(values, mask, torch.arange(T * S, device=values.device))


@dataclass(frozen=True)
class Classes:
    """Classification targets: the class of each row, and which of the N padded ways each task really has."""

    index: Int64[Tensor, "T S"]
    ways: Bool[Tensor, "T N"]

    def one_hot(self, mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S N"]:
        """Indicator of each row's class; zero for padded rows."""
        classes = torch.arange(self.ways.shape[1], device=self.index.device)
        return ((self.index.unsqueeze(-1) == classes) & mask.unsqueeze(-1)).float()


@dataclass(frozen=True)
class Values:
    """Regression targets, in the user's own units."""

    values: Float[Tensor, "T S O"]


@dataclass(frozen=True)
class MultiHot:
    """Multi-label targets: which of the labels each row carries, any number of them; and each task's real ways."""

    values: Bool[Tensor, "T S N"]
    ways: Bool[Tensor, "T N"]


@dataclass(frozen=True)
class Tags:
    """Frames: the intent of each row, and a tag for each of its words.

    A word's tag is 0 outside of slots, 2m - 1 for the first word of slot m (from 1 on), 2m for a later one. `slots`
    says which of the K padded slots a task really has, the outside, which comes first, among them.
    """

    intents: Classes
    words: Int64[Tensor, "T S L"]
    slots: Bool[Tensor, "T K"]


Target: TypeAlias = Classes | Values | MultiHot | Tags


@dataclass(frozen=True)
class Support:
    """The labelled rows that a task is adapted to.

    `names` says which rows are not examples but the names of labels, put through the same encoder; only a head that
    says that it `takes_names` is given such rows.
    """

    rows: Rows
    target: Target
    names: Bool[Tensor, "T S"] | None = None


@dataclass(frozen=True)
class Logits:
    """Classification scores: log-probabilities up to a constant; minus infinity for ways a task does not have.

    Where a task is `independent` its labels do not exclude each other: each value is a log-odds of its own.
    `unknown` is the log-odds that the right answer is none of the labels.
    """

    values: Float[Tensor, "T Q N"]
    independent: Bool[Tensor, "T"] | None = None
    unknown: Float[Tensor, "T Q"] | None = None


@dataclass(frozen=True)
class Gaussian:
    """Regression scores, in the user's own units."""

    mean: Float[Tensor, "T Q O"]
    variance: Float[Tensor, "T Q O"]


@dataclass(frozen=True)
class Tagged:
    """Scores of frames: of intents, of each word's tags, and of the moves from one word's tag to the next one's."""

    intents: Logits
    words: Float[Tensor, "T Q L E"]  # E = 2K - 1 tags, finite even for slots that a task does not have
    lengths: Int64[Tensor, "T Q"]  # words a row
    moves: Float[Tensor, "T 10"]  # see models.chain
    trust: Float[Tensor, "T M 3"]  # of each slot: how its probability is calibrated, see models.chain


@dataclass(frozen=True)
class Either:
    """Scores of a batch whose tasks are of two kinds: those of each task are in the part of its kind."""

    logits: Logits
    values: Gaussian


Scores: TypeAlias = Logits | Gaussian | Tagged | Either
