"""Large pictures are reduced before they are sent: what a model looks at is smaller still."""

import io

import PIL.Image

from models.inputs.image import FORMATS, InvalidImage, decode_image, plain, upright

SHRINK_PX = 1024
MAX_PIXELS = 178_000_000  # beyond this Pillow takes a picture for an attack
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
QUALITY = 92


def shrunk(data: bytes, shrink_px: int | None) -> bytes:
    """The file of a picture whose longer side has at most `shrink_px` pixels; byte for byte the same if it has.

    It is decoded as the service would do it. What was a JPEG stays one, all else becomes a PNG. What cannot be decoded
    is left to the service to refuse.
    """
    if shrink_px is None:
        return data
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as header:
            kind, size = header.format, header.size
        if max(size) <= shrink_px:
            return data
        return _saved(_reduced(decode_image(data, MAX_PIXELS, draft_px=shrink_px), shrink_px), kind)
    except (InvalidImage, OSError, ValueError, PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        return data


def file_of(image: PIL.Image.Image, shrink_px: int | None) -> bytes:
    """A picture in memory as a file: a PNG of the very pixels, upright, unless it is larger than `shrink_px`."""
    if shrink_px is not None and max(image.size) > shrink_px:
        return _saved(_reduced(plain(image), shrink_px), image.format)
    image = upright(image)
    return _saved(image if image.mode in PNG_MODES else image.convert("RGB"), "PNG")


def _reduced(image: PIL.Image.Image, longest_px: int) -> PIL.Image.Image:
    scale = longest_px / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, PIL.Image.Resampling.BICUBIC, reducing_gap=3) if scale < 1 else image


def _saved(image: PIL.Image.Image, kind: str | None) -> bytes:
    buffer = io.BytesIO()
    if kind == "JPEG":
        image.save(buffer, "JPEG", quality=QUALITY)
    else:
        image.save(buffer, "PNG")
    return buffer.getvalue()
