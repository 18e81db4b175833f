import base64
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inputs import Input as Preprocess
from models.inputs.image import GlyphInput
from models.inputs.vector import VectorInput
from service.codec import ImageLimits, blurred, decode_inputs, refuse
from service.errors import DeadlineExceeded, InvalidRequest
from service.schemas import Image, Input
from tests.service.codec.pictures import SVG, png_of_size, saved, stroke

GLYPH = GlyphInput(size=28, margin=2)


def image(data: bytes) -> Image:
    return Image(image=base64.b64encode(data).decode())


def decoded(
    inputs: list[Input], preprocess: Preprocess = GLYPH, modality: str = "image", timeout_s: float = 60
) -> np.ndarray[Any, Any]:
    deadline = time.monotonic() + timeout_s
    rows, wrong = decode_inputs(
        inputs, preprocess, [modality], limits=ImageLimits(10_000, 10_000), deadline=deadline, path="support.{}.input"
    )
    refuse(wrong)
    return rows


def fault(inputs: list[Input], *more: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        decoded(inputs, *more)
    return [(error.path, error.message) for error in caught.value.errors]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_images_become_rows(kind: str) -> None:
    rows = decoded([image(saved(stroke(), kind)), image(saved(stroke((30, 40)), kind))])
    assert rows.shape == (2, 28, 28)
    assert rows.dtype == np.uint8
    assert (rows.reshape(2, -1).max(1) > 200).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_shows_the_same_stroke(mode: str) -> None:
    picture = stroke().point(lambda level: level * 257, "I").convert(mode) if mode == "I;16" else stroke(mode=mode)
    [plain, other] = decoded([image(saved(stroke())), image(saved(picture))])
    assert np.abs(plain.astype(int) - other.astype(int)).mean() < 8


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello", "not a PNG, JPEG or WebP"),
        (SVG, "not a PNG, JPEG or WebP"),
        (saved(stroke(), "GIF"), "not a PNG, JPEG or WebP"),
        (saved(stroke())[:-30], "truncated"),
        (saved(stroke((200, 200)), "JPEG")[:-100], "10000 pixels"),
        (saved(stroke((90, 90)), "JPEG")[:-40], "truncated"),
        (png_of_size(50_000, 50_000), "pixels"),
        (png_of_size(0, 10), "not a PNG, JPEG or WebP"),
        (png_of_size(10, 10), "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_a_usable_image_is_refused(data: bytes, message: str) -> None:
    [(path, told)] = fault([image(saved(stroke())), image(data)])
    assert path == "support.1.input"
    assert message in told


@pytest.mark.parametrize(
    "text", ["###", "aGVsbG8", "data:image/png;base64,aGVsbG8=", "aGVs\nbG8=", "aGVsbG8=\n", "aGVsbG-_", "é", " "]
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    [(_, told)] = fault([Image(image=text)])
    assert "expected base64" in told


def test_another_kind_of_input_is_refused_with_what_was_expected() -> None:
    picture = image(saved(stroke()))
    told = [message for _, message in fault(["a text", [1.0], picture])]
    assert told == [
        'expected an image, {"image": "<base64>"}, got a text (in Python, the path of an image is a pathlib.Path)',
        'expected an image, {"image": "<base64>"}, got a list of numbers',
    ]
    assert fault([picture], VectorInput(2), "vector")[0][1] == "expected a list of numbers, got an image"
    file = fault([saved(stroke())], VectorInput(2), "vector")[0][1]
    assert file.startswith("expected a list of numbers, got a file: only models of images take forms with files")
    assert fault(["a"], VectorInput(2), "vector")[0][1] == "expected a list of numbers, got a text"


@pytest.mark.parametrize("vector", [[], [1.0], [1.0, 2.0, 3.0], [1e16, 0.0], [0.0, -1e39]])
def test_vectors_that_do_not_fit_are_refused(vector: list[float]) -> None:
    [(path, _)] = fault([[1.0, 2.0], vector], VectorInput(2), "vector")
    assert path == "support.1.input"


def test_at_most_twenty_bad_inputs_are_told() -> None:
    assert len(fault(["a text"] * 50)) == 20


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ([[1.7e9, 1.7e9 + 60, 1.7e9 + 90]], [0]),  # one and the same in single precision
        ([[0.0, 1.0, 2.0], [1e6, 1e6 + 1, 1e6 - 1]], [1]),
        ([[1.7e9, 1.7e9, 1.7e9], [1e5, 1e5 + 1, 1e5 - 1], [273.15, 274.15, 280.0]], []),
        ([[1.7e9]], []),
    ],
)
def test_columns_that_vary_less_than_single_precision_keeps(columns: list[list[float]], wrong: list[int]) -> None:
    rows: list[Input] = [list(row) for row in zip(*columns, strict=True)]
    found = blurred(rows, np.zeros((0, len(columns)), np.float32), "support.{}.input.{}")
    assert [each.path for each in found] == [f"support.0.input.{column}" for column in wrong]
    assert all("subtract" in each.message for each in found)


@pytest.mark.parametrize(
    ("kept", "sent", "is_blurred"),
    [
        ([0.0, 500.0, 1000.0], [500.0, 500.0005], False),  # near each other, and far from others
        ([1.7e9], [1.7e9 + 120], True),
        ([1.7e9, 1.7e9], [1.7e9 + 60, 1.7e9 + 120], True),
        ([1.7e9 + 60], [1.7e9 + 60, 1.7e9 + 60], False),  # the same again, as far as anyone knows
        ([1.7e9], [0.0], False),
        ([1.7e9], [], False),
    ],
)
def test_what_is_kept_counts_as_what_is_sent(kept: list[float], sent: list[float], is_blurred: bool) -> None:
    rows: list[Input] = [[number] for number in sent]
    assert bool(blurred(rows, np.array(kept, np.float32)[:, None], "support.{}.input.{}")) == is_blurred


def test_decoding_stops_at_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        decoded([image(saved(stroke()))], timeout_s=-1)
    with pytest.raises(DeadlineExceeded):
        decoded([[1.0, 2.0, 3.0]], VectorInput(3), "vector", timeout_s=-1)


@given(st.binary(max_size=300))
def test_no_bytes_are_worse_than_refused(data: bytes) -> None:
    assert fault([image(data)])


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_image_is_decoded_or_refused(position: int, value: int) -> None:
    data = bytearray(saved(stroke()))
    data[position % len(data)] = value
    try:
        decoded([image(bytes(data))])
    except InvalidRequest as refused:
        assert refused.errors
