"""How rows are cut, so that the device looks up often and every process cuts alike."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from models.inputs import Input
from models.inputs.frame import FrameInput
from models.inputs.mixed import MixedInput
from models.inputs.photo import PhotoInput
from models.inputs.table import TableInput
from models.inputs.text import TextInput
from service.engine.arrays import Array
from service.engine.ask import Kind

# By size and not by the clock: the shape of a batch decides in which order sums are taken, and the same request must
# get the same answer to the last bit after a restart. 16 glyphs of 56 x 56 are some 20 ms of one core.
SLICE_VALUES = {"cpu": 16 * 56 * 56, "cuda": 1024 * 56 * 56}
BULK_PARTS = {"cpu": 2, "cuda": 1}  # of such a slice where nobody waits for one of them: predictions come in between
SLICE_PHOTOS = {"cpu": 4, "cuda": 256}
SLICE_CELL_ROWS = {"cpu": 64, "cuda": 2048}  # each is held against every row of the support, column by column
SLICE_TOKENS = {"cpu": 256, "cuda": 32_768}
MAX_SLICE_ROWS = 4096


def slice_rows(input_shape: Sequence[int], device_type: str) -> int:
    """Rows a slice, for a model whose inputs have this shape."""
    return max(1, min(MAX_SLICE_ROWS, SLICE_VALUES[device_type] // prod(input_shape)))


def rows_a_slice(inputs: Input, device_type: str) -> int:
    """Rows a slice, for a model with these inputs; of a photograph little is left after the first layer."""
    if isinstance(inputs, TableInput):
        return SLICE_CELL_ROWS[device_type]
    return SLICE_PHOTOS[device_type] if isinstance(inputs, PhotoInput) else slice_rows(inputs.shape, device_type)


def bulk_rows(inputs: Input, device_type: str) -> int:
    """The same where what is encoded is adapted to; fewer photographs or texts at once would each cost a tenth more."""
    rows = rows_a_slice(inputs, device_type)
    return rows if isinstance(inputs, PhotoInput | TableInput) else max(1, rows // BULK_PARTS[device_type])


def cuts(
    inputs: Input, rows: Array, device_type: str, *, is_bulk: bool = False
) -> Iterator[tuple[npt.NDArray[np.int64], Array]]:
    """Slices of rows [B *X] for the encoder, and their positions: texts as their input cuts them, others in like parts.

    Side by side, a short part would leave its thread without work.
    """
    if isinstance(inputs, TextInput | FrameInput | MixedInput):
        yield from inputs.cut(rows, SLICE_TOKENS[device_type])
        return
    most = (bulk_rows if is_bulk else rows_a_slice)(inputs, device_type)
    num_parts = max(1, -(-len(rows) // most))
    yield from zip(np.array_split(np.arange(len(rows)), num_parts), np.array_split(rows, num_parts), strict=True)


def padded_rows(kind: Kind, lengths: Sequence[int], slice_rows: int) -> int:
    """Rows that the head computes for tasks of these lengths, the padding among them; others it takes one by one."""
    if kind in ("adapt", "readapt"):
        return len(lengths) * max(lengths)
    if kind != "predict":
        return sum(lengths)
    parts = ([stop - first for _, first, stop in piece] for piece in pieces(lengths, slice_rows))
    return sum(len(part) * max(part) for part in parts)


def pieces(lengths: Sequence[int], max_rows: int) -> Iterator[list[tuple[int, int, int]]]:
    """Cuts of (task, first row, stop row), at most `max_rows` rows a piece, in order."""
    piece: list[tuple[int, int, int]] = []
    room = max_rows
    for task, length in enumerate(lengths):
        first = 0
        while first < length:
            stop = min(length, first + room)
            piece.append((task, first, stop))
            room -= stop - first
            first = stop
            if room == 0:
                yield piece
                piece, room = [], max_rows
    if piece:
        yield piece
