import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from models.inputs.image import GlyphInput, InvalidImage, _ink, decode_image

LIMIT = 64_000_000


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def drawn(paper: int = 255, ink: int = 0, size: tuple[int, int] = (60, 80)) -> Image.Image:
    """A capital L, off centre."""
    grey = np.full(size[::-1], paper, np.uint8)
    grey[20:60, 15:20] = ink
    grey[55:60, 15:35] = ink
    return Image.fromarray(grey)


def level(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L"), np.float32).mean())


def png_header(width: int, height: int) -> bytes:
    """A picture that claims a size and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 100) + b"IDAT"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_each_format_is_decoded(form: str) -> None:
    assert decode_image(encoded(drawn().convert("RGB"), form), LIMIT).size == (60, 80)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b'<svg xmlns="http://www.w3.org/2000/svg"/>', encoded(drawn(), "GIF"), png_header(0, 5)],
    ids=["empty", "text", "svg", "gif", "zero size"],
)
def test_what_is_no_image_is_said_so(data: bytes) -> None:
    with pytest.raises(InvalidImage, match="not a PNG, JPEG or WebP"):
        decode_image(data, LIMIT)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_images_are_refused(form: str) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), form)
    with pytest.raises(InvalidImage):
        decode_image(data[: len(data) // 2], LIMIT)


@pytest.mark.parametrize("side", [2_000, 9_000, 12_000, 20_000, 2**31 - 1])
def test_bombs_are_refused_by_their_header(side: int) -> None:
    with pytest.raises(InvalidImage, match="pixels"):
        decode_image(png_header(side, side), 1_000_000)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    image = decode_image(encoded(Image.fromarray(ramp)), LIMIT)
    assert image.mode == "L"
    np.testing.assert_allclose(np.asarray(image), ramp / 257, atol=1)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert level(decode_image(encoded(clear), LIMIT)) == 255
    assert level(decode_image(encoded(clear.convert("LA")), LIMIT)) == 255
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert level(decode_image(encoded(palette, transparency=0), LIMIT)) == 255


def test_cmyk_palette_and_one_bit_are_converted() -> None:
    for mode, form in (("CMYK", "JPEG"), ("P", "PNG"), ("1", "PNG")):
        image = drawn().convert("RGB").convert(mode)
        assert level(decode_image(encoded(image, form), LIMIT)) == pytest.approx(level(drawn()), abs=8)


def test_exif_orientation_turns_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert decode_image(encoded(drawn(), "JPEG", exif=exif), LIMIT).size == (80, 60)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_is_no_reason_to_refuse(form: str) -> None:
    assert decode_image(encoded(drawn().convert("RGB"), form, exif=b"Exif\0\0garbage"), LIMIT).size == (60, 80)


def test_large_jpegs_are_decoded_reduced() -> None:
    large = decode_image(encoded(drawn().resize((2400, 3200)), "JPEG"), LIMIT)
    assert large.size == (600, 800)


def test_framed_ink_is_high_centred_and_touches_the_margin() -> None:
    glyph = GlyphInput()(drawn())
    rows, columns = np.flatnonzero((glyph > 127).any(1)), np.flatnonzero((glyph > 127).any(0))
    assert (rows[0], rows[-1]) == (4, 51)
    assert columns[0] + columns[-1] == 55
    assert glyph.dtype == np.uint8
    assert glyph.shape == GlyphInput().shape


def test_polarity_contrast_and_place_do_not_matter() -> None:
    frame = GlyphInput()
    expected = frame(drawn())
    for other in (drawn(0, 255), drawn(200, 60), drawn(30, 90), drawn(size=(200, 100))):
        np.testing.assert_allclose(frame(other), expected, atol=16)  # rounding


@pytest.mark.parametrize("seed", range(20))
def test_the_paper_is_the_median_of_the_border(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, rng.integers(1, 30, 2)).astype(np.uint8)
    paper = int(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))
    levels = grey.astype(int)
    is_dark = paper - levels.min() > levels.max() - paper
    expected = (paper - levels if is_dark else levels - paper).clip(0, 255)
    np.testing.assert_array_equal(_ink(Image.fromarray(grey)), expected)


def test_scale_hardly_matters() -> None:
    frame = GlyphInput()
    difference = frame(drawn()).astype(int) - frame(drawn().resize((600, 800), Image.Resampling.NEAREST))
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (8, 8), (300, 200)])
def test_a_picture_without_ink_is_all_zero(shape: tuple[int, int]) -> None:
    assert not GlyphInput()(np.full(shape, 77, np.uint8)).any()


def test_a_thin_line_keeps_its_width() -> None:
    grey = np.zeros((50, 50), np.uint8)
    grey[10:40, 25] = 255
    assert (GlyphInput()(grey) > 127).any(0).sum() in (1, 2, 3)
