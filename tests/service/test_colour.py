"""Photographs are told from drawings by their colours."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from service.colour import are_colourful
from tests.service.codec.pictures import saved, stroke


def test_most_of_the_pictures_decide(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 200), (200, 90, 30)).save(photo)
    drawing = saved(stroke((30, 60)))
    assert are_colourful([photo, photo, drawing])
    assert not are_colourful([photo, drawing])
    assert not are_colourful([]) and not are_colourful([b"GIF89a", tmp_path / "none.png"])


def test_yellow_paper_and_blue_ink_are_a_drawing() -> None:
    paper = np.full((60, 60, 3), (250, 245, 220), np.uint8)
    paper[10:50, 28:32] = (20, 30, 200)
    held = io.BytesIO()
    Image.fromarray(paper).save(held, "PNG")
    assert not are_colourful([held.getvalue()])
