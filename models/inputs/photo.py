"""Photographs -> the colour square a model takes: its middle, at the encoder's size. Pillow and numpy only."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.inputs.traits import NO_LIMITS, never_cut, no_forms, noise

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoInput:
    """The middle square of a picture, `size` pixels a side, red, green and blue of 0..255; the encoder scales them."""

    size: int = 224

    forms = no_forms
    truncated = never_cut
    made_up = noise
    traits = NO_LIMITS

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.size, self.size, 3)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "uint8"

    @property
    def draft_px(self) -> int:
        """A JPEG need not be decoded at more than this: what is lost, reducing to the square would lose too."""
        return self.size + self.size // 8

    def __call__(self, image: Image.Image | Array) -> Array:
        """The square, all of the shorter side in it."""
        given = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture = given if given.mode == "RGB" else given.convert("RGB")  # which would copy it
        side = min(picture.size)
        left, top = ((length - side) / 2 for length in picture.size)
        box = (left, top, left + side, top + side)
        square = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box, reducing_gap=3)
        return np.asarray(square)
