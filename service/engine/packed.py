"""A task's params as one piece of memory, and those of many tasks as one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from models.types import TaskParams
from service.engine.arrays import Array

MAX_FORMS = 4096  # remembered, so that tasks of the same sizes share one
ALIGNED = 64  # bytes: where torch itself lets a tensor begin; products may be summed otherwise elsewhere

Shape: TypeAlias = tuple[int, ...]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Described: TypeAlias = tuple[str, Shape, str]  # a leaf: its name, shape and type


@dataclass(frozen=True)
class Leaf:
    """One of the arrays: what it is, and where its bytes are."""

    shape: Shape
    dtype: np.dtype[Any]
    place: slice


@dataclass(frozen=True, eq=False)
class Form:
    """What tasks of the same sizes have in common."""

    leaves: Mapping[str, Leaf]
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Packed:
    """One task's params, trimmed to its true sizes; an object for each would take more than most tasks' numbers."""

    form: Form
    values: bytes

    def shape(self, leaf: str) -> Shape:
        """Of one of the arrays."""
        return self.form.leaves[leaf].shape

    def array(self, leaf: str) -> Array:
        """One of the arrays, which nobody can write to."""
        found = self.form.leaves[leaf]
        return np.frombuffer(self.values[found.place], found.dtype).reshape(found.shape)


def pack(params: Mapping[str, Array]) -> Packed:
    """These arrays; the bytes of one end where those of the next begin."""
    form = _form(tuple((leaf, array.shape, array.dtype.str) for leaf, array in params.items()))
    return Packed(form, b"".join(array.tobytes() for array in params.values()))


def stack(tasks: Sequence[Packed], device: torch.device) -> TaskParams:
    """One batch of params [T ...] on the device, zero-padded along the axes that differ."""
    forms = [task.form for task in tasks]
    is_alike = all(form is forms[0] or form.leaves == forms[0].leaves for form in forms)  # or one that was made anew
    batch, room = _room(forms[0] if is_alike else _longest(forms), len(tasks), device)
    held = room.numpy()
    (_join if is_alike else _pad)(tasks, batch, held)
    made = {
        name: torch.from_numpy(held[leaf.place].view(leaf.dtype).reshape(leaf.shape))
        for name, leaf in batch.leaves.items()
    }
    if device.type == "cpu":
        return made
    # in one copy of the whole: torch keeps pinned memory until a copy is done, but knows it only by where it begins
    there = room.to(device, non_blocking=True)
    return {name: there[batch.leaves[name].place].view(leaf.dtype).view(leaf.shape) for name, leaf in made.items()}


def _join(tasks: Sequence[Packed], batch: Form, room: Bytes) -> None:
    """Tasks of one form, all at once."""
    whole = np.frombuffer(b"".join([task.values for task in tasks]), np.uint8).reshape(len(tasks), -1)
    for name, leaf in batch.leaves.items():
        room[leaf.place].reshape(len(tasks), -1)[...] = whole[:, tasks[0].form.leaves[name].place]


def _pad(tasks: Sequence[Packed], batch: Form, room: Bytes) -> None:
    """Tasks of several forms, each row with zeros behind it."""
    room[...] = 0
    for name, leaf in batch.leaves.items():
        rows = room[leaf.place].view(leaf.dtype).reshape(leaf.shape)
        for row, task in enumerate(tasks):
            where: tuple[int | slice, ...] = (row, *map(slice, task.shape(name)))
            rows[where] = task.array(name)


def _room(form: Form, num_tasks: int, device: torch.device) -> tuple[Form, torch.Tensor]:
    """The form of so many tasks, and memory for it, in one piece; pinned for a GPU, not to wait for it."""
    batch = _batch(form, num_tasks)
    return batch, torch.empty(batch.num_bytes, dtype=torch.uint8, pin_memory=device.type == "cuda")


@lru_cache(MAX_FORMS)
def _form(leaves: tuple[Described, ...], aligned: int = 1) -> Form:
    found, begin = {}, 0
    for name, shape, dtype in leaves:
        end = begin + prod(shape) * np.dtype(dtype).itemsize
        found[name] = Leaf(shape, np.dtype(dtype), slice(begin, end))
        begin = -(-end // aligned) * aligned
    return Form(found, begin)


@lru_cache(MAX_FORMS)
def _batch(form: Form, num_tasks: int) -> Form:
    return _form(tuple((name, (num_tasks, *leaf.shape), leaf.dtype.str) for name, leaf in form.leaves.items()), ALIGNED)


def _longest(forms: Sequence[Form]) -> Form:
    """The form in which each of these has room."""
    shapes = {name: zip(*(form.leaves[name].shape for form in forms), strict=True) for name in forms[0].leaves}
    first = forms[0].leaves
    return _form(tuple((name, tuple(map(max, sizes)), first[name].dtype.str) for name, sizes in shapes.items()))
