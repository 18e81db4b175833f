"""Inputs as people have them."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service import schemas
from service.client import Raw, to_input
from service.client.inputs import labelled, listed, parts
from service.client.steps import Work
from tests.service.codec.pictures import saved, stroke


def test_every_way_to_hold_an_image_is_the_same_image(tmp_path: Path) -> None:
    picture = stroke()
    (tmp_path / "stroke.png").write_bytes(saved(picture))
    ways: list[Raw] = [picture, np.asarray(picture), saved(picture), tmp_path / "stroke.png"]
    assert [to_input(way) for way in ways] == [schemas.Image(image=base64.b64encode(saved(picture)).decode())] * 4
    assert isinstance(to_input(Image.new("CMYK", (2, 2))), schemas.Image)


def test_one_text_is_no_list_of_its_letters() -> None:
    ones: list[Any] = ["hello", b"hello"]
    for one in ones:
        with pytest.raises(TypeError, match="expected a list of inputs"):
            listed(one)
    assert listed(("hello",)) == ["hello"]


def test_vectors_texts_and_what_is_neither() -> None:
    assert to_input(np.array([1, 2], np.int8)) == to_input([1, 2]) == to_input((1.0, 2.0)) == [1.0, 2.0]
    assert to_input("a text") == "a text"
    with pytest.raises(TypeError, match="uint8"):
        to_input(np.zeros((4, 4)))


def test_an_input_may_have_several_labels() -> None:
    steps = labelled(["a", "b"], None, None, labels=[("x", 1), []], targets=None)
    work = next(steps)
    assert isinstance(work, Work)
    with pytest.raises(StopIteration) as ended:
        steps.send(work.do())
    assert ended.value.value == [{"input": "a", "label": ["x", "1"]}, {"input": "b", "label": []}]


def test_parts_keep_to_both_limits() -> None:
    numbers: list[schemas.Input] = [[float(number)] for number in range(10)]
    assert [len(part) for part in parts(numbers, 4, 10_000)] == [4, 4, 2]
    assert [len(part) for part in parts(numbers, 100, 90)] == [3, 3, 3, 1]
    photos: list[schemas.Input] = [schemas.Image(image="x" * size) for size in (10, 500, 10, 10)]
    assert [len(part) for part in parts(photos, 100, 100)] == [1, 1, 2]
    assert [len(part) for part in parts([], 4, 100)] == [0]
    assert [value for part in parts(numbers, 3, 60) for value in part] == numbers
