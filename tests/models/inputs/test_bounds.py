"""What pictures may take while they are decoded, and that it is told before."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.inputs import image as under_test
from models.inputs.image import MAX_SCANS, InvalidImage, decode_image, decoding_bytes, plain
from tests.models.inputs.test_image import LIMIT, drawn, encoded, png_header

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


def test_a_header_alone_tells_what_a_picture_takes() -> None:
    assert decoding_bytes(png_header(4_000, 4_000), LIMIT) == 4_000**2 * (under_test.PIXEL_BYTES + 1)


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
