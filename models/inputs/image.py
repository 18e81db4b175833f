"""Images as bytes -> the array a model takes: numpy and Pillow only, the same code for training and for serving."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
WHOLE_PIXELS = 16_000_000  # of what is decoded whole, as all but JPEG is: more would take a gigabyte, and seconds
DRAFT_PX = 512  # a JPEG is decoded at the smallest of its built-in scales that is still this large

FAINTEST = 12  # grey levels of 255 between paper and ink below which an image counts as blank
INK = 0.35  # share of the peak contrast above which a pixel belongs to the glyph's box
FLOOR, CEILING = 0.1, 0.9  # shares of the peak contrast that become black and white: drops paper texture

Array = npt.NDArray[np.uint8]


class InvalidImage(ValueError):
    """These bytes are not an image that can be used; the message is a sentence for the sender."""


def decode_image(data: bytes, max_pixels: int, *, draft_px: int = DRAFT_PX) -> Image.Image:
    """The picture in these bytes, upright, opaque, 8 bits a channel: mode "L" or "RGB". Raises InvalidImage."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidImage(f"the image has more than {max_pixels} pixels") from None
    except Exception:  # Pillow's parsers raise many types on hostile bytes
        raise InvalidImage("the bytes are not a PNG, JPEG or WebP image") from None
    allowed = max_pixels if image.format == "JPEG" else min(max_pixels, WHOLE_PIXELS)
    if image.width * image.height > allowed:
        told = f"at most {allowed} pixels of a {image.format} are allowed"
        raise InvalidImage(f"the image is {image.width} x {image.height}; {told}")
    try:
        image.draft(None, (draft_px, draft_px))
        image.load()
        return plain(image)
    except Exception:
        raise InvalidImage("the image is truncated or damaged") from None


def plain(image: Image.Image) -> Image.Image:
    """The same picture upright, opaque, at 8 bits a channel."""
    return _opaque(upright(image))


def upright(image: Image.Image) -> Image.Image:
    """Turned as its camera was; damaged notes about that are no reason to refuse a picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _opaque(image: Image.Image) -> Image.Image:
    """Grey or RGB at 8 bits; transparency is laid on white paper."""
    if image.mode.startswith("I"):  # 16 bits a pixel; convert("L") would clip instead of scale
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        front = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", front.size, "white"), front).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


@dataclass(frozen=True)
class GlyphInput:
    """One drawn or scanned character: ink high on black, cropped to the ink, centred in a square with a margin."""

    size: int = 56
    margin: int = 4

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
        glyph = _stretched(np.asarray(ink.resize((width, height), Image.Resampling.BICUBIC, box), np.float32))
        x, y = (self.size - width) // 2, (self.size - height) // 2
        frame[y : y + height, x : x + width] = glyph
        return frame


def _ink(image: Image.Image) -> Image.Image:
    """Distance from the paper in the direction of the ink; the border says which level is paper."""
    grey = np.asarray(image.convert("L")).astype(np.int16)
    paper = int(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))
    darker, lighter = paper - int(grey.min()), int(grey.max()) - paper
    ink = paper - grey if darker > lighter else grey - paper
    return Image.fromarray(ink.clip(0, 255).astype(np.uint8))


def _ink_box(ink: Image.Image, longest_px: int) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom of the glyph; looked for on a reduced copy, where sensor noise is averaged away."""
    factor = max(1, -(-max(ink.size) // longest_px))
    reduced = np.asarray(ink.reduce(factor) if factor > 1 else ink)
    peak = int(reduced.max())
    if peak < FAINTEST:
        return None
    rows, columns = (np.flatnonzero((reduced > INK * peak).any(axis)) * factor for axis in (1, 0))
    right, bottom = min(columns[-1] + factor, ink.width), min(rows[-1] + factor, ink.height)
    return float(columns[0]), float(rows[0]), float(right), float(bottom)


def _stretched(glyph: npt.NDArray[np.float32]) -> Array:
    """The glyph with its contrast stretched to the full range."""
    share = glyph / max(1.0, float(glyph.max()))
    return (((share - FLOOR) / (CEILING - FLOOR)).clip(0, 1) * 255).round().astype(np.uint8)
