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


def test_vectors_together_are_as_each_alone() -> None:
    vectors: list[object] = [[1, 2.5, -3e-2], [0.1, 2**60 + 1, -1e30], [16777217, 3e-46, -0.0]]
    found = VectorInput(3).together(vectors)
    assert found is not None
    assert found.tobytes() == np.stack([VectorInput(3)(each) for each in vectors]).tobytes()
    assert VectorInput(3).together(vectors, largest=1e20) is None
    assert VectorInput(3).together([]) is not None


@pytest.mark.parametrize(
    "numbers",
    [
        [1.0, 2.0],
        (1.0, 2.0, 3.0),
        [1.0, float("nan"), 2.0],
        [1.0, 2.0, float("-inf")],
        [1e300, 2.0, 1.0],
        [10**400, 2.0, 1.0],
        [1.0, "2", 3.0],
        [1.0, True, 3.0],
        [1.0, None, 3.0],
        [[1.0], [2.0], [3.0]],
        3.0,
    ],
)
def test_what_is_not_plainly_vectors_is_looked_at_one_by_one(numbers: Any) -> None:
    assert VectorInput(3).together([[1.0, 2.0, 3.0], numbers]) is None
