"""How rows are cut, so that the device looks up often and every process cuts alike."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import torch

from models.encoders.onednn import has_tiles
from models.inputs import Input
from models.inputs.frame import FrameInput
from models.inputs.mixed import MixedInput
from models.inputs.photo import PhotoInput
from models.inputs.table import TableInput
from models.inputs.text import TextInput
from service.engine.arrays import Array
from service.engine.ask import Kind

# By size and not by the clock: the shape of a batch decides in which order sums are taken, and the same request must
# get the same answer to the last bit after a restart. 16 glyphs of 56 x 56 are some 20 ms of one core; a matrix unit
# takes a third of that for each, and less of more at once: weights are read once a slice.
SLICE_VALUES = {"cpu": 16 * 56 * 56, "amx": 32 * 56 * 56, "cuda": 1024 * 56 * 56}
# parts of such a slice where nobody waits for one of them: predictions come in between
BULK_PARTS = {"cpu": 2, "amx": 2, "cuda": 1}
SLICE_PHOTOS = {"cpu": 4, "amx": 4, "cuda": 256}
SLICE_CELL_ROWS = {"cpu": 64, "amx": 64, "cuda": 2048}  # each is held against every row of the support, by columns
SLICE_TOKENS = {"cpu": 256, "amx": 512, "cuda": 32_768}
MAX_SLICE_ROWS = 4096


def unit_of(device: torch.device, dtype: torch.dtype) -> str:
    """What computes there in this type: "cuda", "cpu", or "amx", a CPU's matrix unit."""
    return "amx" if device.type == "cpu" and dtype == torch.bfloat16 and has_tiles() else device.type


def slice_rows(input_shape: Sequence[int], unit: str) -> int:
    """Rows a slice, for a model whose inputs have this shape."""
    return max(1, min(MAX_SLICE_ROWS, SLICE_VALUES[unit] // prod(input_shape)))


def rows_a_slice(inputs: Input, unit: str) -> int:
    """Rows a slice, for a model with these inputs; of a photograph little is left after the first layer."""
    if isinstance(inputs, TableInput):
        return SLICE_CELL_ROWS[unit]
    return SLICE_PHOTOS[unit] if isinstance(inputs, PhotoInput) else slice_rows(inputs.shape, unit)


def bulk_rows(inputs: Input, unit: str) -> int:
    """The same where what is encoded is adapted to; fewer photographs or texts at once would each cost a tenth more."""
    rows = rows_a_slice(inputs, unit)
    return rows if isinstance(inputs, PhotoInput | TableInput) else max(1, rows // BULK_PARTS[unit])


def cuts(
    inputs: Input, rows: Array, unit: str, *, is_bulk: bool = False
) -> Iterator[tuple[npt.NDArray[np.int64], Array]]:
    """Slices of rows [B *X] for the encoder, and their positions: texts as their input cuts them, others in like parts.

    Side by side, a short part would leave its thread without work.
    """
    if isinstance(inputs, TextInput | FrameInput | MixedInput):
        yield from inputs.cut(rows, SLICE_TOKENS[unit])
        return
    most = (bulk_rows if is_bulk else rows_a_slice)(inputs, unit)
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
