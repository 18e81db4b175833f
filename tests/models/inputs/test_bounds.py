"""What pictures may take while they are decoded, and that it is told before."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.inputs import image as under_test
from models.inputs.image import MAX_NOTES, MAX_SCANS, InvalidImage, decode_image, decoding_bytes, plain
from tests.clock import plain_ms
from tests.models.inputs.test_image import LIMIT, drawn, encoded, png_header
from tests.service.codec.pictures import chunk

SIDE = 1_500
CHILD = """
import json, sys
from pathlib import Path
from models.inputs.image import GlyphInput, decode_image, decoding_bytes

def memory(what):
    return next(int(line.split()[1]) << 10 for line in Path("/proc/self/status").open() if line.startswith(what))

for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    GlyphInput()(decode_image(data, 10**8))
    print(json.dumps([path.name, memory("VmHWM") - before, decoding_bytes(data, 10**8)]))
"""


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.new("RGBA", (SIDE, SIDE), (9, 9, 9, 200)), exif=exif)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_decoding_takes_no_more_memory_than_is_said(tmp_path: Path) -> None:
    whole = Image.new("RGB", (SIDE, SIDE), (90, 9, 9))
    (tmp_path / "turned.png").write_bytes(turned())
    (tmp_path / "whole.webp").write_bytes(encoded(whole, "WEBP"))
    (tmp_path / "progressive.jpg").write_bytes(encoded(whole, "JPEG", progressive=True, subsampling=0))
    (tmp_path / "reduced.jpg").write_bytes(encoded(whole, "JPEG"))
    run = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=True, capture_output=True, text=True)
    for name, took, said in map(json.loads, run.stdout.splitlines()):
        assert took < said + 4 * 2**20, name  # what Pillow loads with its first picture
        assert said <= 21 * SIDE**2


def test_what_is_decoded_whole_has_a_limit_of_its_own() -> None:
    large = drawn().convert("RGB").resize((900, 1200))
    for data in (encoded(large), encoded(large, "WEBP"), encoded(large, "JPEG", progressive=True)):
        with pytest.raises(InvalidImage, match="at most 1000000 pixels"):
            decode_image(data, LIMIT, max_whole_pixels=1_000_000)
        with pytest.raises(InvalidImage, match="at most 1000000 pixels"):
            decoding_bytes(data, LIMIT, max_whole_pixels=1_000_000)
    assert decode_image(encoded(large, "JPEG"), LIMIT, max_whole_pixels=1_000_000).size == (900, 1200)


def test_a_reduced_jpeg_takes_little() -> None:
    large = drawn().convert("RGB").resize((4_000, 4_000))
    assert decoding_bytes(encoded(large, "JPEG"), LIMIT) < 30_000_000 < decoding_bytes(png_header(4_000, 4_000), LIMIT)


def test_jpegs_of_too_many_scans_are_refused_by_their_header() -> None:
    data = encoded(drawn(), "JPEG", progressive=True)
    last = data.rindex(under_test.START_OF_SCAN)
    bomb = data[:-2] + data[last:-2] * MAX_SCANS + data[-2:]
    with pytest.raises(InvalidImage, match="scans"):
        decode_image(bomb, LIMIT)


@pytest.mark.parametrize(
    "padding", [b"\xff", b"\xff\xef\x00\x02", b"\xff\xfe\x00\x02"], ids=["fill", "segments", "comments"]
)
def test_long_heads_of_a_jpeg_are_not_walked_through(padding: bytes) -> None:
    data = encoded(drawn(), "JPEG")
    long = data[:2] + padding * (8_000_000 // len(padding)) + data[2:]
    assert_refused_soon(long, "too many pieces", decode_image, decoding_bytes)


@pytest.mark.parametrize(("place", "name"), [(33, b"aaAa"), (33, b"IDAT"), (-12, b"aaAa")], ids=str)
def test_nor_are_the_chunks_of_a_png(place: int, name: bytes) -> None:
    data = encoded(drawn())
    assert_refused_soon(data[:place] + chunk(name, b"") * 600_000 + data[place:], "too many pieces", decode_image)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


@pytest.mark.parametrize(
    ("long", "why"),
    [
        (segment(0xE1, b"Exif\0\0" + bytes(500)) * 30_000, "notes of a camera"),
        (segment(0xED, b"Photoshop 3.0\0" + (b"8BIM" + bytes(8)) * 5_000) * 300, "pixels begin behind"),
        (segment(0xDB, (b"\0" + b"\1" * 64) * 1_000) * 300, "pixels begin behind"),
    ],
    ids=["Exif", "resources", "tables"],
)
def test_nor_is_what_its_segments_hold(long: bytes, why: str) -> None:
    data = encoded(drawn(), "JPEG")
    assert_refused_soon(data[:2] + long + data[2:], why, decode_image, decoding_bytes)


def test_notes_of_a_png_are_not_all_inflated() -> None:
    data, note = encoded(drawn()), chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9))
    assert decode_image(data[:33] + note * MAX_NOTES + data[33:], LIMIT).size == drawn().size
    assert_refused_soon(data[:33] + note * (MAX_NOTES + 1) + data[33:], "notes", decode_image, decoding_bytes)


def assert_refused_soon(data: bytes, why: str, *readers: Callable[[bytes, int], object]) -> None:
    def refused(read: Callable[[bytes, int], object]) -> None:
        with pytest.raises(InvalidImage, match=why):
            read(data, LIMIT)

    for read in readers:
        assert plain_ms(partial(refused, read)) < 2_000


def test_a_photograph_with_all_its_notes_is_read() -> None:
    photo = Image.effect_noise((2_000, 1_500), 80).convert("RGB")
    data = encoded(photo, "JPEG", icc_profile=bytes(3_000_000), exif=b"Exif\0\0" + bytes(60_000), quality=95)
    assert decode_image(data, LIMIT, draft_px=4_000).size == photo.size
    for large in (encoded(photo, "PNG", compress_level=0), encoded(photo, "MPO", save_all=True, append_images=[photo])):
        assert decode_image(large, LIMIT, draft_px=4_000).size == photo.size


def test_a_header_alone_tells_what_a_picture_takes() -> None:
    assert decoding_bytes(png_header(4_000, 4_000), LIMIT) == 4_000**2 * (under_test.PIXEL_BYTES + 1)


def test_a_png_that_tells_two_sizes_is_weighed_by_the_one_that_is_decoded() -> None:
    small, large = encoded(Image.new("L", (1, 1)), "PNG"), encoded(Image.new("L", (900, 700)), "PNG")
    both = small[:33] + large[8:]  # behind the signature and the first header
    assert decode_image(both, LIMIT).size == (900, 700)
    assert decoding_bytes(both, LIMIT) == decoding_bytes(large, LIMIT) == 900 * 700 * (under_test.PIXEL_BYTES + 1)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "I;16"])
def test_strips_make_the_same_picture_as_all_of_it(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (37, 23, 4), np.uint8)
    image = Image.fromarray(noise)
    if mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
        expected = Image.fromarray(noise[..., 0])
    else:
        image = image.convert("RGB").convert("P") if mode == "P" else image.convert(mode)
        if mode in ("P", "L"):
            image.info["transparency"] = 7
        front = image.convert("RGBA")
        expected = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB")
    monkeypatch.setattr(under_test, "STRIP_PIXELS", 100)
    assert (plain(image).mode, plain(image).tobytes()) == (expected.mode, expected.tobytes())
