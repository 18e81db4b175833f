"""Numbers that follow from a drawing itself: targets of regressions that nobody had to write down."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Drawings = npt.NDArray[np.bool_]  # [B, H, W], true where there is ink
Numbers = npt.NDArray[np.float32]  # [B]
CHUNK = 1_000  # drawings at a time, to bound memory


def ink(drawings: Drawings) -> Numbers:
    """The share of the drawing's box that is ink."""
    width, height = _box(drawings)
    return _numbers(drawings.sum((1, 2)) / (width * height).clip(1))


def aspect(drawings: Drawings) -> Numbers:
    """The logarithm of the box's width by its height: zero for a square, positive for what is wide."""
    width, height = _box(drawings)
    return _numbers(np.log(width.clip(1) / height.clip(1)))


def crossings(drawings: Drawings) -> Numbers:
    """How many strokes a line across the drawing meets: the mean over all rows and columns that have ink."""
    met = np.zeros(len(drawings))
    for turned in (drawings, drawings.swapaxes(1, 2)):
        before = np.pad(turned, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]
        lines = turned.any(2).sum(1).clip(1)
        met += (turned & ~before).sum((1, 2)) / lines / 2
    return _numbers(met)


def pieces_less_holes(drawings: Drawings) -> Numbers:
    """Connected pieces less the holes in them, the Euler number, from counts of 2x2 squares (Gray 1971)."""
    around = np.pad(drawings, ((0, 0), (1, 1), (1, 1))).view(np.uint8)
    corners = around[:, :-1, :-1], around[:, :-1, 1:], around[:, 1:, :-1], around[:, 1:, 1:]
    total = corners[0] + corners[1] + corners[2] + corners[3]
    diagonal = (total == 2) & (corners[0] == corners[3])
    ones, threes, twos = ((each).sum((1, 2), dtype=np.int64) for each in (total == 1, total == 3, diagonal))
    return _numbers((ones - threes - 2 * twos) / 4)


ATTRIBUTES: Mapping[str, Callable[[Drawings], Numbers]] = {
    "ink": ink,
    "aspect": aspect,
    "crossings": crossings,
    "pieces-less-holes": pieces_less_holes,
}


def attributes_of(drawings: Drawings) -> npt.NDArray[np.float32]:
    """Every attribute [B, V] of these drawings, in the order of `ATTRIBUTES`."""
    parts = [drawings[first : first + CHUNK] for first in range(0, len(drawings), CHUNK)]
    return np.concatenate([np.stack([attribute(part) for attribute in ATTRIBUTES.values()], 1) for part in parts])


def _box(drawings: Drawings) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Width and height of what is drawn."""
    across, down = np.asarray(drawings.any(1)), np.asarray(drawings.any(2))
    return _extent(across), _extent(down)


def _extent(inked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    first, last = inked.argmax(1), inked.shape[1] - inked[:, ::-1].argmax(1)
    found: npt.NDArray[np.int64] = np.where(inked.any(1), last - first, 0)
    return found


def _numbers(values: npt.NDArray[np.float64]) -> Numbers:
    return np.asarray(values, np.float32)
