"""Ragged tasks to padded batches and back. Shapes as in models.types."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from models.types import Rows, TaskParams


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy a numpy array over; through pinned memory to a GPU, so that the copy does not wait."""
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def rows_of(flat: Tensor, lengths: Sequence[int]) -> Rows:
    """Rows [T S *F] from the flat rows [B *F] of tasks with these lengths, one task after another."""
    T, S = len(lengths), max(lengths)
    mask = np.arange(S) < np.asarray(lengths)[:, None]
    index = np.flatnonzero(mask)
    empty = Rows(flat.new_empty((T, S, 0)), to_device(mask, flat.device), to_device(index, flat.device))
    return empty.with_values(flat)


def ways_of(num_ways: Sequence[int], device: torch.device) -> Tensor:
    """The bool mask [T N] of the ways that tasks with these many labels really have."""
    return to_device(np.arange(max(num_ways)) < np.asarray(num_ways)[:, None], device)


def trim(params: TaskParams, layout: Mapping[str, str], task: int, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """One task's params out of a batch already on the host, cut to its true `sizes` ({"N": 5, "S": 25})."""
    return {
        leaf: params[leaf][task][tuple(slice(sizes.get(axis)) for axis in axes.split())].contiguous().numpy()
        for leaf, axes in layout.items()
    }
