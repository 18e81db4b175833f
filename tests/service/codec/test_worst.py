"""What is done at once takes a moment, however it is made: the dearest that still counts as short, by the clock."""

import zlib
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from math import inf

import numpy as np
import pytest

from models.inputs import Input as Preprocess
from models.inputs.image import GlyphInput
from models.inputs.table import TableInput
from models.inputs.text import TextInput
from models.inputs.vector import VectorInput
from service import codec
from service.codec import ImageLimits, decode_inputs, image_bytes
from service.codec.costs import AT_ONCE_US, decoding_us, looking_us, telling_us
from service.schemas import Input
from tests.clock import plain_ms
from tests.service.codec.pictures import chunk, padded, saved, stroke

AT_MOST_MS = 50 * AT_ONCE_US / 1_000  # estimates are rough, and under pytest types are checked at each call
LIMITS = ImageLimits(64_000_000, 16_000_000)
SMALL = saved(stroke())
ZEROS = zlib.compress(bytes(900_000), 9)


def cells(text: str, num: int) -> list[float | str | None]:
    """A row of a table."""
    return [text] * num


PICTURES: dict[str, Callable[[int], list[Input]]] = {
    "many": lambda n: [SMALL] * n,
    "a JPEG, padded": lambda n: [padded(b"\xff" * n)],
    "a JPEG with junk": lambda n: [padded(b"\xff\0" * n)],
    "a JPEG with comments": lambda n: [padded(b"\xff\xfe\0\2" * n)],
    "a JPEG with notes": lambda n: [padded(b"\xff\xe1\0\2" * n)],
    "a PNG of chunks": lambda n: [SMALL[:33] + chunk(b"zzzz", b"") * n + SMALL[33:]],
    "a PNG that inflates": lambda n: [SMALL[:33] + chunk(b"zTXt", b"a\0\0" + ZEROS[: 1 + n // 2]) + SMALL[33:]],
}
OTHERS: dict[str, tuple[Preprocess, Callable[[int], list[Input]]]] = {
    "vectors": (VectorInput(64), lambda n: [[0.5] * 64] * n),
    "a vector": (VectorInput(64), lambda n: [[0.5] * n]),
    "rows of numbers": (TableInput(), lambda n: [[0.5] * 64] * n),
    "rows of texts": (TableInput(), lambda n: [cells("a", 64)] * n),
    "a long cell": (TableInput(), lambda n: [cells("🦊" * 100 * n, 1)]),
    "texts": (TextInput(), lambda n: ["?!"] * n),
    "a text": (TextInput(), lambda n: ["中" * n]),
}


def longest(make: Callable[[int], list[Input]], about_us: Callable[[list[Input]], float]) -> list[Input]:
    """Of what is made, the longest that is done at once."""
    num = bisect_right(range(4_000), AT_ONCE_US, key=lambda n: about_us(make(n))) - 1
    assert 0 < num < 3_999
    return make(num)


def decoding(inputs: list[Input], preprocess: Preprocess, modality: str) -> Callable[[], object]:
    return partial(decode_inputs, inputs, preprocess, [modality], limits=LIMITS, deadline=inf, path="{}")


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_pictures(make: Callable[[int], list[Input]]) -> None:
    def about_us(inputs: list[Input]) -> float:
        if looking_us(inputs) > AT_ONCE_US:
            return inf
        return decoding_us(inputs, image_bytes(inputs, GlyphInput(), LIMITS), GlyphInput().shape)

    seen = longest(make, looking_us)
    assert plain_ms(lambda: image_bytes(seen, GlyphInput(), LIMITS)) <= AT_MOST_MS
    assert plain_ms(decoding(longest(make, about_us), GlyphInput(), "image")) <= AT_MOST_MS


@pytest.mark.parametrize(("preprocess", "make"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_picture(preprocess: Preprocess, make: Callable[[int], list[Input]]) -> None:
    inputs = longest(make, lambda made: decoding_us(made, [0] * len(made), preprocess.shape))
    modality = {VectorInput: "vector", TableInput: "table", TextInput: "text"}[type(preprocess)]
    assert plain_ms(decoding(inputs, preprocess, modality)) <= AT_MOST_MS


@pytest.mark.parametrize("num_ways", [2, 64])
def test_answers(num_ways: int) -> None:
    num_answers = bisect_right(range(4_000), AT_ONCE_US, key=lambda n: telling_us(n, n * num_ways)) - 1
    scores = np.random.default_rng(0).random((num_answers, num_ways), np.float32)
    labels = [f"label {way}" for way in range(num_ways)]
    told = partial(codec.classifications, labels, scores, None, None, -1.0)
    assert plain_ms(lambda: codec.rounded(told(), 4)) <= AT_MOST_MS
    assert telling_us(1, 256) <= AT_ONCE_US < telling_us(32, 32 * 256)


def test_what_is_long_is_known_without_a_look_at_all_of_it() -> None:
    row = cells("a", 1_000)
    assert plain_ms(lambda: decoding_us([row] * 10_000, [0] * 10_000, (64, 3))) <= AT_MOST_MS
    assert plain_ms(lambda: decoding_us([[0.5] * 1_000_000], [0], (64,))) <= AT_MOST_MS
