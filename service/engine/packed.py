"""A task's params as one piece of memory, and those of many tasks as one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np
import torch

from models.types import TaskParams
from service.engine.arrays import Array

MAX_FORMS = 4096  # remembered, so that tasks of the same sizes share one
ALIGNED = 64  # bytes: where torch itself lets a tensor begin; products may be summed otherwise elsewhere

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Leaf:
    """One of the arrays: what it is, and where its bytes are."""

    shape: Shape
    dtype: np.dtype[Any]
    begin: int
    end: int


Form: TypeAlias = Mapping[str, Leaf]  # what tasks of the same sizes have in common


@dataclass(frozen=True, slots=True)
class Packed:
    """One task's params, trimmed to its true sizes; an object for each would take more than most tasks' numbers."""

    form: Form
    values: bytes

    def shape(self, leaf: str) -> Shape:
        """Of one of the arrays."""
        return self.form[leaf].shape

    def array(self, leaf: str) -> Array:
        """One of the arrays, which nobody can write to."""
        found = self.form[leaf]
        return np.frombuffer(self.values[found.begin : found.end], found.dtype).reshape(found.shape)


def pack(params: Mapping[str, Array]) -> Packed:
    """These arrays; the bytes of one end where those of the next begin."""
    form = _form(tuple((leaf, array.shape, array.dtype.str) for leaf, array in params.items()))
    return Packed(form, b"".join(array.tobytes() for array in params.values()))


def stack(tasks: Sequence[Packed], device: torch.device) -> TaskParams:
    """One batch of params [T ...] on the device, zero-padded along the axes that differ."""
    form = tasks[0].form
    if all(task.form is form for task in tasks):
        shapes = {name: leaf.shape for name, leaf in form.items()}
        batch = _batch(form, shapes, len(tasks), device)
        whole = np.frombuffer(b"".join([task.values for task in tasks]), np.uint8).reshape(len(tasks), -1)
        for name, leaf in form.items():
            batch[name].reshape(len(tasks), -1).view(np.uint8)[...] = whole[:, leaf.begin : leaf.end]
    else:
        shapes = {name: tuple(map(max, zip(*(task.shape(name) for task in tasks), strict=True))) for name in form}
        batch = _batch(form, shapes, len(tasks), device)
        for name, rows in batch.items():
            rows[...] = 0
            for row, task in zip(rows, tasks, strict=True):
                row[tuple(map(slice, task.shape(name)))] = task.array(name)
    return {name: torch.from_numpy(rows).to(device, non_blocking=True) for name, rows in batch.items()}


def _batch(form: Form, shapes: Mapping[str, Shape], num_tasks: int, device: torch.device) -> dict[str, Array]:
    """Room for every leaf of so many tasks, of these shapes, in one piece; pinned, so that a GPU need not wait."""
    sizes = {name: num_tasks * prod(shapes[name]) * leaf.dtype.itemsize for name, leaf in form.items()}
    num_bytes = sum(-(-size // ALIGNED) * ALIGNED for size in sizes.values())
    room = torch.empty(num_bytes, dtype=torch.uint8, pin_memory=device.type == "cuda").numpy()
    found, begin = {}, 0
    for name, size in sizes.items():
        found[name] = room[begin : begin + size].view(form[name].dtype).reshape(num_tasks, *shapes[name])
        begin += -(-size // ALIGNED) * ALIGNED
    return found


@lru_cache(MAX_FORMS)
def _form(leaves: tuple[tuple[str, Shape, str], ...]) -> Form:
    found, begin = {}, 0
    for name, shape, dtype in leaves:
        end = begin + prod(shape) * np.dtype(dtype).itemsize
        found[name] = Leaf(shape, np.dtype(dtype), begin, end)
        begin = end
    return found
