"""Images as files, well made and badly made."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def stroke(size: tuple[int, int] = (40, 30), mode: str = "L") -> Image.Image:
    """A black bar on white paper, which every mode can show."""
    pixels = np.full((size[1], size[0]), 255, np.uint8)
    pixels[size[1] // 4 : -size[1] // 4, size[0] // 2 : size[0] // 2 + 4] = 0
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def padded(padding: bytes) -> bytes:
    """A good JPEG with this before its first segment."""
    whole = saved(stroke(), "JPEG")
    return whole[:2] + padding + whole[2:]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises this size, and whose data holds nothing of it."""

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
