"""Vectors: a sequence of numbers -> the array a model takes. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class InvalidVector(ValueError):
    """These are not the numbers a model can use; the message is a sentence for the sender."""


@dataclass(frozen=True)
class VectorInput:
    """Vectors of exactly `dim` finite numbers, kept in the sender's units."""

    dim: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.dim,)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "float32"

    def __call__(self, numbers: Sequence[float] | npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """The vector in single precision. Raises InvalidVector for a wrong length, NaN, infinity or a non-number."""
        if isinstance(numbers, (str, bytes)) or not isinstance(numbers, (Sequence, np.ndarray)):
            raise InvalidVector("a vector must be a list of numbers")
        if len(numbers) != self.dim:
            raise InvalidVector(f"expected a vector of {self.dim} numbers, got {len(numbers)}")
        for position, number in enumerate(numbers):
            if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, float, np.number)):
                raise InvalidVector(f"element {position} is not a number")
        try:
            with np.errstate(over="ignore"):
                vector = np.asarray(numbers, np.float64).astype(np.float32)
        except OverflowError:
            raise InvalidVector("the vector holds a number too large for single precision") from None
        if not np.isfinite(vector).all():
            position = int(np.flatnonzero(~np.isfinite(vector))[0])
            raise InvalidVector(f"element {position} is not finite in single precision")
        return vector
