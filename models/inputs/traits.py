"""What kinds of inputs say of themselves: limits, and what their rows show. No torch here."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MANY = 1_000_000  # where a kind of inputs sets no limit

Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class Traits:
    """How much there may be of it; what most kinds have is the default."""

    widest: int = 0  # the longest list of numbers that it takes
    max_rows: int = MANY  # of a support
    max_ways: int = MANY
    num_ids: int | None = None  # rows are ids, all below this
    has_own_columns: bool = False  # which may be other ones in the next task


NO_LIMITS = Traits()


def no_forms(of: object, rows: Rows) -> list[str]:
    """Of inputs that are all alike."""
    return []


def never_cut(of: object, rows: Rows) -> npt.NDArray[np.bool_]:
    """Of inputs that are no texts."""
    return np.zeros(len(rows), np.bool_)


def noise(of: Any, num_rows: int) -> Rows:
    """Rows as good as any for measuring how long they take."""
    return np.random.default_rng(0).integers(1, 256, (num_rows, *of.shape)).astype(of.dtype)
