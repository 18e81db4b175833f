import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.codec import DamagedParams, pack_params, unpack_params

LAYOUT = {"weight": "N D", "bias": "N", "factor": "3 3", "count": "", "ways": "N"}
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def params(draw: st.DrawFn) -> dict[str, np.ndarray]:
    N, D = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    sizes = {"N": N, "D": D, "3": 3}
    shapes = {name: tuple(sizes[axis] for axis in axes.split()) for name, axes in LAYOUT.items()}
    leaves = {name: draw(arrays.arrays(np.float32, shape, elements=FLOATS)) for name, shape in shapes.items()}
    return leaves | {"ways": draw(arrays.arrays(np.bool_, (N,)))}


@given(params(), st.dictionaries(st.text(), st.text()))
def test_unpacking_gives_back_every_bit(leaves: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    again = unpack_params(pack_params(leaves, metadata), LAYOUT)
    assert again.keys() == leaves.keys()
    for name, leaf in leaves.items():
        assert (again[name].shape, again[name].dtype) == (leaf.shape, leaf.dtype)
        assert again[name].tobytes() == leaf.tobytes()


@given(params(), st.permutations(list("abcde")))
def test_equal_params_make_equal_bytes(leaves: dict[str, np.ndarray], names: list[str]) -> None:
    shuffled = dict(reversed(leaves.items()))
    assert pack_params(leaves, dict.fromkeys(names, "x")) == pack_params(shuffled, dict.fromkeys("abcde", "x"))


def test_an_array_that_is_not_contiguous_is_packed_by_its_values() -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(unpack_params(pack_params({"w": weight}, {}), {"w": "N D"})["w"], weight)


GOOD = {
    "weight": np.ones((2, 4), np.float32),
    "bias": np.ones(2, np.float32),
    "factor": np.eye(3, dtype=np.float32),
    "count": np.array(5, np.float32),
    "ways": np.array([True, True]),
}


@pytest.mark.parametrize(
    "change",
    [
        {"weight": np.ones((3, 4), np.float32)},  # another N than the bias
        {"weight": np.ones(4, np.float32)},
        {"factor": np.ones((3, 4), np.float32)},
        {"count": np.ones(1, np.float32)},
        {"bias": np.array([1, np.nan], np.float32)},
        {"bias": np.array([1, np.inf], np.float32)},
        {"bias": np.ones(2, np.float64)},
        {"ways": np.ones(2, np.float32)},
        {"more": np.ones(2, np.float32)},
    ],
    ids=str,
)
def test_params_that_do_not_fit_are_refused(change: dict[str, np.ndarray]) -> None:
    with pytest.raises(DamagedParams):
        unpack_params(pack_params(GOOD | change, {}), LAYOUT)


def test_a_missing_leaf_is_refused() -> None:
    with pytest.raises(DamagedParams, match="expected the leaves"):
        unpack_params(pack_params({"weight": GOOD["weight"]}, {}), LAYOUT)


@given(st.integers(0, 200))
def test_params_cut_short_are_refused(kept: int) -> None:
    with pytest.raises(DamagedParams):
        unpack_params(pack_params(GOOD, {})[:kept], LAYOUT)


@given(st.binary(max_size=200))
def test_bytes_that_are_not_params_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedParams):
        unpack_params(data, LAYOUT)


def test_a_type_that_numpy_lacks_is_refused() -> None:
    header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    with pytest.raises(DamagedParams):
        unpack_params(struct.pack("<Q", len(header)) + header + b"\0\0", {"w": "D"})
