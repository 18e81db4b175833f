"""Photographs as users send them: turned, cut to the middle, in any colour space and depth that is decoded."""

import io

import numpy as np
import pytest
from PIL import Image

from models.inputs.image import decode_image
from models.inputs.photo import PhotoInput
from tests.models.inputs.test_image import LIMIT, encoded

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (20, 20, 230)
TAKE = PhotoInput(size=32)


def striped(size: tuple[int, int] = (300, 100)) -> Image.Image:
    """Red, green and blue from left to right."""
    image = Image.new("RGB", size)
    for place, colour in enumerate((RED, GREEN, BLUE)):
        image.paste(colour, (size[0] * place // 3, 0, size[0] * (place + 1) // 3, size[1]))
    return image


def taken(data: bytes) -> np.ndarray:
    return TAKE(decode_image(data, LIMIT, draft_px=TAKE.draft_px))


def close(pixels: np.ndarray, colour: tuple[int, int, int], by: int = 12) -> bool:
    return bool((np.abs(pixels.astype(int) - colour) <= by).all())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_the_middle_square_is_taken(form: str) -> None:
    square = taken(encoded(striped(), form, quality=95))
    assert square.shape == TAKE.shape and square.dtype == TAKE.dtype
    assert close(square[4:-4, 4:-4], GREEN)


def test_exif_turns_it_before_it_is_cut() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top is at the right
    square = taken(encoded(striped((90, 90)), "JPEG", exif=exif.tobytes(), quality=95))
    assert close(square[:8, 8:-8], RED, 40) and close(square[-8:, 8:-8], BLUE, 40)


@pytest.mark.parametrize("mode", ["CMYK", "L", "P", "RGBA", "LA", "YCbCr"])
def test_every_colour_space_becomes_red_green_blue(mode: str) -> None:
    grey = mode in ("L", "LA")
    plain = Image.new("RGB", (40, 40), GREEN)
    image = plain.quantize(4) if mode == "P" else plain.convert(mode)
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    expected = (129, 129, 129) if grey else GREEN
    assert close(taken(encoded(image, form, **({"quality": 95} if form == "JPEG" else {}))), expected, 20)


def test_transparency_is_white_paper() -> None:
    assert close(taken(encoded(Image.new("RGBA", (40, 40), (*RED, 0)))), (255, 255, 255))
    assert close(taken(encoded(Image.new("RGBA", (40, 40), (*RED, 0)), "WEBP", lossless=True)), (255, 255, 255))


def test_sixteen_bits_are_scaled() -> None:
    assert close(taken(encoded(Image.fromarray(np.full((40, 40), 40_000, np.uint16)))), (155, 155, 155))


def test_a_large_jpeg_is_decoded_reduced_and_looks_the_same() -> None:
    large = striped((2400, 2400))
    data = encoded(large, "JPEG", quality=95)
    assert max(decode_image(data, LIMIT, draft_px=TAKE.draft_px).size) <= 600
    assert np.abs(taken(data).astype(int) - TAKE(large).astype(int)).mean() < 6


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2)])
def test_odd_shapes_are_no_trouble(size: tuple[int, int]) -> None:
    assert close(TAKE(Image.new("RGB", size, RED)), RED)
    assert TAKE(np.zeros((size[1], size[0]), np.uint8)).shape == TAKE.shape


def test_sixteen_bits_a_colour() -> None:
    """Pillow cannot write such a file: a PNG of one red pixel, by hand."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    pixel = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 60_000, 5_000, 5_000)))
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n" + header + pixel + chunk(b"IEND", b""))
    assert close(taken(file.getvalue()), (233, 19, 19))
