"""Pictures of one tenant hold up nobody else: bounded turns, and threads of their own."""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from models.card import read_card
from models.inputs import Input as Preprocess
from models.inputs.image import GlyphInput
from service import codec
from service.catalog import Served
from service.codec import Labelled
from service.errors import DeadlineExceeded
from service.schemas import Example, Input
from service.settings import Settings
from service.tasks.decoding import LOOKED, ON_DECODED, TURN_BYTES, Decoding, turns_of
from tests.service.codec.pictures import padded, saved, stroke

GLYPHS = Path(__file__).parents[3] / "models/zoo/glyphs"


@pytest.fixture
def decoding() -> Decoding:
    return Decoding(Settings(decode_threads=1))


def served() -> Served:
    return Served("0" * 64, read_card(GLYPHS), GlyphInput())


async def test_a_small_picture_does_not_wait_for_anothers_many(decoding: Decoding) -> None:
    large, model, deadline = saved(Image.new("L", (1_000, 1_000), 200)), served(), time.monotonic() + 60
    num_decoded = 0

    def note(number: int) -> None:
        nonlocal num_decoded
        num_decoded = number

    ON_DECODED.set(note)
    many = asyncio.create_task(decoding.inputs("many", [large] * 128, model, deadline, "inputs.{}"))
    while not num_decoded:
        await asyncio.sleep(0)
    ON_DECODED.set(lambda number: None)
    begun = num_decoded
    await decoding.inputs("few", [saved(stroke())], model, deadline, "inputs.{}")
    assert num_decoded - begun <= 3 * TURN_BYTES // 12_000_000  # so many pictures in three turns
    many.cancel()
    decoding.close()


async def test_checks_of_labels_do_not_wait_for_pictures(decoding: Decoding) -> None:
    large, model, deadline = saved(Image.new("L", (2_000, 2_000), 200)), served(), time.monotonic() + 60
    many = asyncio.create_task(decoding.inputs("a", [large] * 64, model, deadline, "inputs.{}"))
    for _ in range(20):
        await decoding.targets("a", [Example(input=large, label=label) for label in "xy"], model, "classification")
    assert not many.done()
    many.cancel()
    decoding.close()


async def test_heads_of_pictures_are_read_in_turns(decoding: Decoding, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[tuple[str, int]] = []
    look = codec.image_bytes

    def noted(inputs: Sequence[Input], preprocess: Preprocess, limits: codec.ImageLimits) -> list[int]:
        looks.append((threading.current_thread().name, len(inputs)))
        return look(inputs, preprocess, limits)

    monkeypatch.setattr(codec, "image_bytes", noted)
    long, deadline = padded(b"\xff" * 2_000), time.monotonic() + 60
    rows = await decoding.inputs("a", [long] * 40, served(), deadline, "inputs.{}")
    assert len(rows) == 40 and [num for _, num in looks] == [LOOKED, LOOKED, 40 - 2 * LOOKED]
    assert all(name.startswith("kshot-picture") for name, _ in looks)  # texts and labels do not wait for them
    looks.clear()
    with pytest.raises(DeadlineExceeded):
        await decoding.inputs("a", [long] * 1_000, served(), time.monotonic() + 0.3, "inputs.{}")
    assert 0 < len(looks) < 20
    decoding.close()


def test_turns_are_as_heavy_as_allowed_or_of_one_picture() -> None:
    third = TURN_BYTES // 3
    assert list(turns_of([third] * 4, 64)) == [(0, 3, third), (3, 4, third)]
    assert list(turns_of([9 * third, 1, 9 * third], 64)) == [(0, 1, 9 * third), (1, 2, 1), (2, 3, 9 * third)]
    assert list(turns_of([0] * 130, 64)) == [(0, 64, 0), (64, 128, 0), (128, 130, 0)]
    assert list(turns_of([], 64)) == []


async def test_what_is_short_needs_no_thread(decoding: Decoding) -> None:
    decoding.close()  # from here on no thread does anything
    rows = await decoding.inputs("one", [saved(stroke())], served(), time.monotonic() + 60, "inputs.{}")
    assert rows.shape[0] == 1
    support = [Example(input=b"", label=label) for label in "xy"]
    targets = await decoding.targets("one", support, served(), "classification")
    assert isinstance(targets, Labelled) and targets.labels == ["x", "y"]
