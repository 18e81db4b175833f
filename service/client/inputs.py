"""Inputs as people have them -> inputs as they go over the wire."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from service.client.photos import SHRINK_PX, file_of, shrunk
from service.client.steps import Steps, Work
from service.schemas import Image, Input, Slot

Raw: TypeAlias = str | bytes | Path | PIL.Image.Image | npt.NDArray[Any] | Sequence[float | str | None]
Progress: TypeAlias = Callable[[int, int], None]
Labels: TypeAlias = Iterable[str | int | Sequence[str | int] | None]  # None: of none of them, to evaluate
Targets: TypeAlias = Iterable[float | Sequence[float]]
Slots: TypeAlias = Iterable[Sequence[Slot | Mapping[str, str | int]]]

BLOCK = 16  # inputs that are made ready at once, away from an event loop


def to_input(raw: Raw, shrink_px: int | None = SHRINK_PX) -> Input:
    """One input as it goes over the wire; a picture whose longer side has more than `shrink_px` pixels is reduced."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Path):
        raw = raw.read_bytes()
    if isinstance(raw, bytes):
        return Image(image=base64.b64encode(shrunk(raw, shrink_px)).decode())
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        if raw.dtype != np.uint8:
            raise TypeError(f"an image must be an array of uint8, not of {raw.dtype}")
        raw = PIL.Image.fromarray(raw)
    if isinstance(raw, PIL.Image.Image):
        return Image(image=base64.b64encode(file_of(raw, shrink_px)).decode())
    if isinstance(raw, int | float | np.number):
        raise TypeError(f"expected an input, got the number {raw}: of one number it is [{raw}]")
    return [_cell(cell) for cell in raw]


def to_inputs(rows: Sequence[Raw], shrink_px: int | None, on_progress: Progress | None = None) -> Steps[list[Input]]:
    """All inputs as they go over the wire; `on_progress(done, total)` is told how many are."""
    done: list[Input] = []
    for first in range(0, len(rows), BLOCK):
        done += yield Work(partial(_block, rows[first : first + BLOCK], shrink_px))
        if on_progress is not None:
            on_progress(len(done), len(rows))
    return done


def listed(inputs: Iterable[Raw]) -> list[Raw]:
    """The inputs as a list; TypeError for one text or file, which Python would take for its letters."""
    if isinstance(inputs, str | bytes):
        raise TypeError("expected a list of inputs, got one: write [it]")
    return list(inputs)


def labelled(
    inputs: Iterable[Raw],
    shrink_px: int | None,
    on_progress: Progress | None,
    *,
    labels: Labels | None,
    targets: Targets | None,
    slots: Slots | None = None,
    ids: Iterable[str] | None = None,
) -> Steps[list[dict[str, Any]]]:
    """Examples as the fields of `Example`: as many labels, targets, slots and ids as there are inputs, or none."""
    rows = listed(inputs)
    columns = {
        "label": None if labels is None else map(_label, labels),
        "target": targets,
        "slots": None if slots is None else ([_slot(slot) for slot in row] for row in slots),
        "id": ids,
    }
    given = {name: _plain(column) for name, column in columns.items() if column is not None}
    if any(len(column) != len(rows) for column in given.values()):
        lengths = {name: len(column) for name, column in given.items()}
        raise ValueError(f"expected {len(rows)} of each, as there are inputs; got {lengths}")
    encoded = yield from to_inputs(rows, shrink_px, on_progress)
    return [{"input": row, **_row(given, number)} for number, row in enumerate(encoded)]


def names_of(columns: Iterable[object] | None) -> list[str] | None:
    """Names of columns as they go over the wire; those of a data frame may be numbers."""
    return None if columns is None else [str(name) for name in columns]


def parts(inputs: Sequence[Input], max_inputs: int, max_bytes: int) -> Iterator[Sequence[Input]]:
    """The inputs in their order, as few parts as keep to both limits; what is too large alone is a part alone."""
    first, num_bytes = 0, 0
    for number, value in enumerate(inputs):
        size = _max_bytes(value)
        if number > first and (number - first == max_inputs or num_bytes + size > max_bytes):
            yield inputs[first:number]
            first, num_bytes = number, 0
        num_bytes += size
    yield inputs[first:]


def _cell(cell: float | str | None) -> float | str | None:
    """A number of a vector; of a row of a table also a text, or None where it is missing."""
    return cell if cell is None or isinstance(cell, str) else float(cell)


def _block(rows: Sequence[Raw], shrink_px: int | None) -> list[Input]:
    return [to_input(row, shrink_px) for row in rows]


def _label(value: str | int | Sequence[str | int] | None) -> str | list[str] | None:
    """A label, or the labels of an input that may have several; None is no label."""
    if value is None:
        return None
    return [str(each) for each in value] if isinstance(value, list | tuple | set | frozenset) else str(value)


def _slot(slot: Slot | Mapping[str, str | int]) -> dict[str, Any]:
    return slot.model_dump() if isinstance(slot, Slot) else dict(slot)


def _plain(values: Iterable[Any]) -> list[Any]:
    """As plain Python; numbers of numpy are not JSON."""
    return [value.tolist() if isinstance(value, np.generic | np.ndarray) else value for value in values]


def _row(columns: Mapping[str, Sequence[Any]], number: int) -> dict[str, Any]:
    return {name: column[number] for name, column in columns.items()}


def _max_bytes(value: Input) -> int:
    """What an input takes in a body of JSON, at most."""
    if isinstance(value, Image):
        return len(value.image) + 16
    if isinstance(value, str):
        return 6 * len(value) + 3
    return 26 * len(value) + 3 + sum(6 * len(cell) for cell in value if isinstance(cell, str))
