"""What goes into the engine and what comes out: numpy arrays of one task, ragged sizes and all."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class OtherArrays:
    """What another task was taught, as features [R *F]: classes [R] of this one, or values [R O]."""

    rows: Array
    classes: npt.NDArray[np.int64] | None
    values: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class LabelledArrays:
    """One task's support: rows [S *X] (or features [S *F], if `encoded`), and what they are to be answered with.

    That is classes [S], or values [S O], or which of several labels each row has, `hot` [S N]. `names` [S] are the rows
    that are no examples but names of labels. Of frames, `tags` [S L] of words, of so many slots and the outside. With
    `others` it may learn from these tasks too; rows are then features.
    """

    rows: Array
    classes: npt.NDArray[np.int64] | None
    num_ways: int
    values: npt.NDArray[np.float32] | None
    encoded: bool = False
    hot: npt.NDArray[np.bool_] | None = None
    names: npt.NDArray[np.bool_] | None = None
    tags: npt.NDArray[np.int64] | None = None
    num_slots: int = 0
    others: tuple[OtherArrays, ...] = ()


@dataclass(frozen=True)
class Doubt:
    """A row of a support, the class that it rather is of by the other rows, and how probable that is."""

    row: int
    instead: int
    probability: float


@dataclass(frozen=True)
class Forecast:
    """Low, middle and high of a task's accuracy or R2 at a level; doubtful rows; for label sets by coverage the least
    log-probability of a label; and what its logits are divided by."""

    ends: tuple[float, float, float]
    level: float
    doubts: tuple[Doubt, ...]
    thresholds: tuple[tuple[float, float], ...]
    temperature: float = 1.0


@dataclass(frozen=True)
class Adapted:
    """One task's params by leaf, trimmed to its sizes; and its support's features, if the encoder made any.

    The params were divided by the temperature. `chosen` are the positions of the others that it learned from too; if
    there are any, `own` is without them.
    """

    params: dict[str, Array]
    features: Array | None
    chosen: tuple[int, ...] = ()
    own: "Adapted | None" = None
    forecast: Forecast | None = None
    temperature: float = 1.0


@dataclass(frozen=True)
class Encoded:
    """The features [B *F] of rows; none where the encoder passes on what it gets."""

    features: Array | None


@dataclass(frozen=True)
class ClassScores:
    """Probabilities [Q N] of one task's labels, and [Q] that it is none of them, from heads that can say."""

    probabilities: npt.NDArray[np.float32]
    unknown: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TagScores:
    """Probabilities [Q N] of one task's labels, each by itself."""

    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ValueScores:
    """Predictive mean and standard deviation [Q O], in the units of the targets."""

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameScores:
    """Probabilities [Q N] of intents, the best tags [Q L] of words, and how probable the slot is that begins there."""

    probabilities: npt.NDArray[np.float32]
    tags: npt.NDArray[np.int64]
    certainty: npt.NDArray[np.float32]


ScoreArrays: TypeAlias = ClassScores | TagScores | ValueScores | FrameScores
