"""Large pictures are reduced before they are sent, and nothing else is."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from service.client import Client, to_input
from service.client.photos import file_of, shrunk
from service.schemas import Classification
from tests.service.codec.pictures import SVG, png_of_size, saved, stroke

ORIENTATION = 0x0112


def corner(size: tuple[int, int], mode: str = "RGB", paper: str = "white") -> Image.Image:
    """A picture whose top left quarter is black, so that it can be told which way is up."""
    image = Image.new("RGB", size, paper)
    image.paste("black", (0, 0, size[0] // 2, size[1] // 2))
    return image.convert(mode)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def dark(image: Image.Image) -> list[list[bool]]:
    """Which quarters are black."""
    grey = image.convert("L").resize((2, 2), Image.Resampling.BOX)
    return [[level < 128 for level in row] for row in np.asarray(grey)]


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_small_ones_are_sent_byte_for_byte(kind: str, tmp_path: Path) -> None:
    data = saved(corner((1024, 700)), kind, exif=turned(6))
    (tmp_path / "photo").write_bytes(data)
    assert shrunk(data, 1024) is data
    assert to_input(tmp_path / "photo") == to_input(data, None)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_large_ones_are_reduced_and_upright(kind: str) -> None:
    data = saved(corner((2000, 1200)), kind, exif=turned(6))  # taken with the camera on its side
    assert shrunk(data, None) is data
    image = opened(shrunk(data, 1024))
    assert (image.format, image.size) == ("JPEG" if kind == "JPEG" else "PNG", (614, 1024))
    assert ORIENTATION not in image.getexif()
    assert dark(image) == [[False, True], [False, False]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_can_be_reduced(mode: str) -> None:
    for image in (opened(shrunk(saved(corner((300, 200), mode)), 100)), opened(file_of(corner((300, 200), mode), 100))):
        assert (image.format, image.size) == ("PNG", (100, 67))
        assert dark(image) == [[True, False], [False, False]]


def test_sixteen_bits_and_what_shines_through() -> None:
    deep = Image.fromarray(np.asarray(corner((300, 200), "L")).astype(np.uint16) * 257)
    assert dark(opened(shrunk(saved(deep), 100))) == [[True, False], [False, False]]
    glass = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    assert dark(opened(shrunk(saved(glass), 100))) == [[False, False], [False, False]]


def test_pictures_in_memory_are_upright_too() -> None:
    for size, expected in (((40, 20), (20, 40)), ((4000, 2000), (512, 1024))):
        photo = opened(saved(corner(size), "JPEG", exif=turned(6)))
        sent = opened(file_of(photo, 1024))
        assert (sent.size, dark(sent)) == (expected, [[False, True], [False, False]])
        assert photo.size == size
    pixels = np.zeros((3000, 10), np.uint8)
    assert opened(file_of(Image.fromarray(pixels), 1024)).size == (3, 1024)
    assert opened(file_of(Image.fromarray(pixels), None)).size == (10, 3000)


@pytest.mark.parametrize(
    "data", [b"", SVG, saved(stroke())[:40], png_of_size(5000, 5000), png_of_size(60_000, 60_000)], ids=range(5)
)
def test_what_cannot_be_decoded_is_for_the_service_to_refuse(data: bytes) -> None:
    assert shrunk(data, 1024) is data


def digit(text: str, height: int, page: tuple[int, int], **options: Any) -> bytes:
    """A page with one digit of about this height on it, not in the middle."""
    image = Image.new("L", page, 230)
    place = (page[0] // 3, page[1] // 8)
    ImageDraw.Draw(image).text(place, text, fill=25, font=ImageFont.load_default(1.35 * height))
    return saved(image, **options)


def test_a_large_scan_of_a_digit_gets_the_same_label(url: str) -> None:
    shown = [digit(str(number), 90, (160, 160)) for number in range(10)]
    scans = [digit("3", 2000, (4000, 3000), kind="JPEG", quality=90), digit("5", 240, (4000, 3000))]
    with Client(url) as small, Client(url, shrink_px=None) as large:
        task = small.adapt("glyphs", shown, labels=range(10))
        answers = [kshot.predict(task, scans).predictions for kshot in (small, large)]
    for few, many, label in zip(*answers, "35", strict=True):
        assert isinstance(few, Classification) and isinstance(many, Classification)
        assert few.label == many.label == label
        assert abs(few.scores[label] - many.scores[label]) < 0.05
