"""Vectors: numbers come through unchanged, anything else is refused in a sentence."""

from typing import Any

import numpy as np
import pytest

from models.inputs.vector import InvalidVector, VectorInput


def test_numbers_come_through_in_single_precision() -> None:
    vector = VectorInput(3)([1, 2.5, -3e-2])
    assert vector.dtype == VectorInput(3).dtype
    assert vector.shape == VectorInput(3).shape
    np.testing.assert_array_equal(vector, np.array([1, 2.5, -3e-2], np.float32))
    np.testing.assert_array_equal(VectorInput(2)(np.arange(2)), [0, 1])


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([1.0, 2.0], "expected a vector of 3 numbers, got 2"),
        ([1.0, 2.0, 3.0, 4.0], "expected a vector of 3 numbers, got 4"),
        ([], "expected a vector of 3 numbers, got 0"),
        ([1.0, float("nan"), 2.0], "element 1 is not finite"),
        ([1.0, 2.0, float("inf")], "element 2 is not finite"),
        ([1e300, 2.0, 1.0], "element 0 is not finite in single precision"),
        ([10**400, 2.0, 1.0], "element 0 is not finite in single precision"),
        ([1.0, "2", 3.0], "element 1 is not a number"),
        ([1.0, True, 3.0], "element 1 is not a number"),
        ([1.0, None, 3.0], "element 1 is not a number"),
        ([[1.0], [2.0], [3.0]], "element 0 is not a number"),
        ("123", "a vector must be a list of numbers"),
        (3.0, "a vector must be a list of numbers"),
        ({"0": 1.0}, "a vector must be a list of numbers"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(numbers: Any, sentence: str) -> None:
    with pytest.raises(InvalidVector, match=sentence):
        VectorInput(3)(numbers)
