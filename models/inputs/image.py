"""Images as bytes -> the array a model takes: numpy and Pillow only, the same code for training and for serving."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from struct import Struct

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from models.inputs.traits import NO_LIMITS, never_cut, no_forms, noise

FORMATS = ("PNG", "JPEG", "WEBP")
DRAFT_PX = 512  # a JPEG is decoded at the smallest of its built-in scales that is still this large
MAX_SCANS = 100  # of a JPEG: programs write ten, and each costs a pass over the whole picture
START_OF_SCAN = b"\xff\xda"
MAX_READS = 10_000  # Pillow walks segments and chunks in Python, two to four reads each, and padding a byte a read;
READ_BYTES = 256  # and one more for so many bytes of a file
MAX_HEAD_BYTES = 4_000_000  # before the pixels: a camera's notes, a colour profile; Pillow reads tables in Python too
MAX_NOTES = 16  # of a PNG each may be a thousand times as long as it looks, of a JPEG each is copied with those before
PNG_HEAD, PNG_SIZE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Struct(">II")
NOTES = (b"zTXt", b"iTXt", b"iCCP", b"Exif\0\0")

PIXEL_BYTES = 12  # of memory that a decoded pixel takes, turned upright or opaque, with what it is made of
WEBP_BYTES = 20  # libwebp has a canvas, the one before it and its own planes beside these
SCAN_BYTES = 6  # a pixel of a JPEG in several scans, which is kept whole until the last, whatever is made of it
MAX_PREVIEWS = 3  # small pictures inside a JPEG, each a scan of its own
STRIP_PIXELS = 500_000  # copies on the way to a plain picture are of so many

FAINTEST = 12  # grey levels of 255 between paper and ink below which an image counts as blank
INK = 0.35  # share of the peak contrast above which a pixel belongs to the glyph's box
FLOOR, CEILING = 0.1, 0.9  # shares of the peak contrast that become black and white: drops paper texture

Array = npt.NDArray[np.uint8]


class InvalidImage(ValueError):
    """These bytes are not an image that can be used; the message is a sentence for the sender."""


class _File(io.BytesIO):
    """A picture's bytes, read in so many pieces at most, and its head no further than so far. Raises InvalidImage."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._num_left = MAX_READS + len(data) // READ_BYTES
        self.is_head = True

    def read(self, size: int | None = -1, /) -> bytes:
        self._num_left -= 1
        if self._num_left < 0:
            raise InvalidImage("the image is in too many pieces: save it again without what is not shown")
        if self.is_head and self.tell() > MAX_HEAD_BYTES:
            raise InvalidImage(f"the image's pixels begin behind {MAX_HEAD_BYTES} bytes of notes: save it without them")
        return super().read(size)


def decode_image(
    data: bytes, max_pixels: int, *, max_whole_pixels: int | None = None, draft_px: int = DRAFT_PX
) -> Image.Image:
    """The picture in these bytes, upright, opaque, 8 bits a channel: mode "L" or "RGB". Raises InvalidImage.

    `max_whole_pixels` is the limit of pictures of which every pixel must be held, however little is looked at.
    """
    image = _opened(data, max_pixels, max_whole_pixels)
    try:
        image.draft(None, (draft_px, draft_px))
        image.load()
        return plain(image)
    except InvalidImage:
        raise
    except Exception:
        raise InvalidImage("the image is truncated or damaged") from None


def decoding_bytes(
    data: bytes, max_pixels: int, *, max_whole_pixels: int | None = None, draft_px: int = DRAFT_PX
) -> int:
    """About what `decode_image` will take of memory and, a pixel that is passed over a byte, of time.

    Raises InvalidImage for what it would refuse by its header; a PNG's size is read off its bytes, unopened.
    """
    num_pixels = _png_pixels(data)
    if num_pixels is not None and num_pixels <= min(max_pixels, max_whole_pixels or max_pixels):
        _refuse_notes(data)
        return num_pixels * (PIXEL_BYTES + 1)
    image = _opened(data, max_pixels, max_whole_pixels)
    num_pixels, is_whole = image.width * image.height, _is_whole(image, data)
    image.draft(None, (draft_px, draft_px))
    kept = WEBP_BYTES if image.format == "WEBP" else PIXEL_BYTES
    return image.width * image.height * kept + num_pixels * (SCAN_BYTES if is_whole and image.format == "JPEG" else 1)


def _png_pixels(data: bytes) -> int | None:
    """How many pixels a PNG says that it has, if it says so once and first: of several sizes Pillow takes the last."""
    is_sure = len(data) >= len(PNG_HEAD) + PNG_SIZE.size and data.startswith(PNG_HEAD) and data.count(b"IHDR") == 1
    return prod(PNG_SIZE.unpack_from(data, len(PNG_HEAD))) if is_sure else None


def _opened(data: bytes, max_pixels: int, max_whole_pixels: int | None) -> Image.Image:
    """The header alone is read."""
    _refuse_notes(data)
    file = _File(data)
    try:
        image = Image.open(file, formats=FORMATS)
    except InvalidImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidImage(f"the image has more than {max_pixels} pixels") from None
    except Exception:  # Pillow's parsers raise many types on hostile bytes
        raise InvalidImage("the bytes are not a PNG, JPEG or WebP image") from None
    file.is_head = False
    size, num_pixels = f"the image is {image.width} x {image.height}", image.width * image.height
    if num_pixels > max_pixels:
        raise InvalidImage(f"{size}; at most {max_pixels} pixels are allowed")
    if max_whole_pixels is not None and num_pixels > max_whole_pixels and _is_whole(image, data):
        raise InvalidImage(f"{size}; at most {max_whole_pixels} pixels are allowed, unless it is a baseline JPEG")
    if image.format == "JPEG" and data.count(START_OF_SCAN) > MAX_SCANS:
        raise InvalidImage(f"the image has more than {MAX_SCANS} scans")
    return image


def _refuse_notes(data: bytes) -> None:
    if sum(map(data.count, NOTES)) > MAX_NOTES:
        raise InvalidImage(f"the image holds more than {MAX_NOTES} notes of a camera, or compressed ones")


def _is_whole(image: Image.Image, data: bytes) -> bool:
    """Whether it cannot be reduced while it is decoded. A preview in a JPEG counts as a scan, but seldom matters."""
    return image.format != "JPEG" or "progressive" in image.info or data.count(START_OF_SCAN) > MAX_PREVIEWS


def plain(image: Image.Image) -> Image.Image:
    """The same picture upright, opaque, at 8 bits a channel."""
    return _opaque(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """Turned as its camera was; damaged notes about that are no reason to refuse a picture."""
    try:
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if is_turned else image
    except Exception:
        return image


def _opaque(image: Image.Image) -> Image.Image:
    """Grey or RGB at 8 bits; transparency is laid on white paper."""
    if image.mode.startswith("I"):
        return _in_strips(image, "L", _scaled)
    if image.has_transparency_data:
        return _in_strips(image, "RGB", _on_paper)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _in_strips(image: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The picture changed pixel by pixel, so that what is made on the way is never of all of it."""
    whole = Image.new(mode, image.size)
    height = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, height):
        strip = image.crop((0, top, image.width, min(top + height, image.height)))
        whole.paste(change(strip), (0, top))
    return whole


def _scaled(strip: Image.Image) -> Image.Image:
    """16 bits a pixel to 8; convert("L") would clip instead."""
    return Image.fromarray((np.asarray(strip).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))


def _on_paper(strip: Image.Image) -> Image.Image:
    front = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB")


@dataclass(frozen=True)
class GlyphInput:
    """One drawn or scanned character: ink high on black, cropped to the ink, centred in a square with a margin."""

    size: int = 56
    margin: int = 4

    forms = no_forms
    truncated = never_cut
    made_up = noise
    traits = NO_LIMITS

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.size, self.size)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "uint8"

    def __call__(self, image: Image.Image | Array) -> Array:
        """The framed glyph; all zero when there is no ink."""
        frame = np.zeros(self.shape, np.uint8)
        ink = _ink(image if isinstance(image, Image.Image) else Image.fromarray(image))
        box = _ink_box(ink, 4 * self.size)
        if box is None:
            return frame
        left, top, right, bottom = box
        scale = (self.size - 2 * self.margin) / max(right - left, bottom - top)
        width, height = (max(1, round(side * scale)) for side in (right - left, bottom - top))
        sized = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC, box)
        grey = np.asarray(sized)
        glyph = _stretched(int(grey.max())).take(grey)
        x, y = (self.size - width) // 2, (self.size - height) // 2
        frame[y : y + height, x : x + width] = glyph
        return frame


def _ink(image: Image.Image) -> Array:
    """Distance from the paper in the direction of the ink; the border says which level is paper."""
    grey = np.asarray(image if image.mode == "L" else image.convert("L"))
    paper = _middle(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]]))
    darker, lighter = paper - int(grey.min()), int(grey.max()) - paper
    ink: Array = paper - np.minimum(grey, paper) if darker > lighter else np.maximum(grey, paper) - paper
    return ink


def _middle(levels: Array) -> np.uint8:
    """The median of at least one, rounded down."""
    levels.sort()
    return np.uint8((int(levels[(len(levels) - 1) // 2]) + int(levels[len(levels) // 2])) // 2)


def _ink_box(ink: Array, longest_px: int) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the glyph; looked for on a reduced copy, where sensor noise is averaged away."""
    factor = max(1, -(-max(ink.shape) // longest_px))
    reduced = np.asarray(Image.fromarray(ink).reduce(factor)) if factor > 1 else ink
    peak = int(reduced.max())
    if peak < FAINTEST:
        return None
    is_ink = reduced > INK * peak
    rows, columns = (np.flatnonzero(is_ink.any(axis)) * factor for axis in (1, 0))
    right, bottom = min(columns[-1] + factor, ink.shape[1]), min(rows[-1] + factor, ink.shape[0])
    return float(columns[0]), float(rows[0]), float(right), float(bottom)


@cache
def _stretched(peak: int) -> Array:
    """What each level becomes where the contrast up to this peak is stretched to the full range."""
    share = np.arange(256, dtype=np.float32) / max(1.0, float(peak))
    return (((share - FLOOR) / (CEILING - FLOOR)).clip(0, 1) * 255).round().astype(np.uint8)
