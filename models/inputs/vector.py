"""Vectors: a sequence of numbers -> the array a model takes. No torch here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.inputs.traits import Traits, never_cut, no_forms, noise

NUMBERS = frozenset((int, float))  # by exact type: a bool is no number
LARGEST = float(np.finfo(np.float32).max)


class InvalidVector(ValueError):
    """These are not the numbers a model can use; the message is a sentence for the sender."""


@dataclass(frozen=True)
class VectorInput:
    """Vectors of exactly `dim` finite numbers, kept in the sender's units."""

    dim: int

    forms = no_forms
    truncated = never_cut
    made_up = noise

    @property
    def traits(self) -> Traits:
        """What there may be of it."""
        return Traits(widest=self.dim)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.dim,)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "float32"

    def __call__(self, numbers: object) -> npt.NDArray[np.float32]:
        """The vector in single precision. Raises InvalidVector for a wrong length, NaN, infinity or a non-number."""
        if isinstance(numbers, np.ndarray):
            numbers = numbers.tolist()
        if not isinstance(numbers, (list, tuple)):
            raise InvalidVector("a vector must be a list of numbers")
        if len(numbers) != self.dim:
            raise InvalidVector(f"expected a vector of {self.dim} numbers, got {len(numbers)}")
        if not NUMBERS.issuperset(map(type, numbers)):
            position = next(i for i, number in enumerate(numbers) if type(number) not in NUMBERS)
            raise InvalidVector(f"element {position} is not a number")
        held = [number if -LARGEST <= number <= LARGEST else math.inf for number in numbers]
        if math.inf in held:
            raise InvalidVector(f"element {held.index(math.inf)} is not finite in single precision")
        return np.array(held, np.float32)

    def together(self, inputs: Sequence[object], largest: float = LARGEST) -> npt.NDArray[np.float32] | None:
        """These vectors [B D] at once; none where one is not plainly a list of so many numbers of at most this size."""
        for each in inputs:
            if type(each) is not list or len(each) != self.dim or not NUMBERS.issuperset(map(type, each)):
                return None
        try:
            held = np.array(inputs, np.float64).reshape(len(inputs), self.dim)
        except OverflowError:  # an integer
            return None
        is_small = not held.size or max(-held.min(), held.max()) <= min(largest, LARGEST)  # so that NaN is not
        return held.astype(np.float32) if is_small else None
