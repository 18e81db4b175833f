"""Whether pictures are photographs rather than drawings, by a look at the first few."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.inputs.image import InvalidImage, decode_image

LOOKED_AT = 8
MAX_PIXELS = 64_000_000
SIDE_PX = 64  # of the small copy that is looked at
COLOURED = 40  # of 255 between the channels of a pixel: paper that is yellow, or ink that is blue, has less or is small
SHARE = 0.2  # of such pixels in a picture that is in colour


def are_colourful(pictures: Sequence[Path | bytes]) -> bool:
    """Whether most of the first pictures are in colour; those that cannot be read count as not."""
    looked = [_is_colourful(each) for each in pictures[:LOOKED_AT]]
    return sum(looked) * 2 > len(looked)


def _is_colourful(picture: Path | bytes) -> bool:
    try:
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        image = decode_image(data, MAX_PIXELS, draft_px=SIDE_PX)
    except (InvalidImage, OSError):  # which is told when it is sent
        return False
    image.thumbnail((SIDE_PX, SIDE_PX))
    return bool((np.ptp(np.asarray(image.convert("RGB")).astype(int), axis=2) > COLOURED).mean() > SHARE)
