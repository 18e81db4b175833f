"""The targets of a support set: every rule about labels, numbers and ids, checked before any input is decoded."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from service.codec.frames import Framed, framed, wrong_slots
from service.codec.labels import Labelled, Name, Tagged, Taught, indexed, labels_of, look_alikes, misplaced, same_names
from service.errors import FieldError, InvalidRequest, LimitExceeded
from service.schemas import Kind

LARGEST = 1e15  # models square what they are sent, and squares must stay finite in single precision


@dataclass(frozen=True)
class Measured:
    """Regression targets [S O]; `scalar` when the sender wrote numbers and not lists of them."""

    values: npt.NDArray[np.float32]
    scalar: bool


Targets: TypeAlias = Labelled | Tagged | Measured | Framed


class Sent(Taught, Protocol):
    """An example as sent, perhaps with an id."""

    @property
    def id(self) -> str | None: ...  # noqa: D102


def decode_support(
    examples: Sequence[Sent],
    kind: Kind,
    *,
    max_examples: int,
    max_ways: int,
    kept: Sequence[Taught] = (),
    names: Sequence[Name] = (),
) -> Targets:
    """The targets of a support set: those that a task has `kept`, then these, then of the labels' names.

    The limits count them all. Raises InvalidRequest with every bad field, or LimitExceeded.
    """
    if not examples and not names:
        refuse([FieldError("support", "must not be empty, unless label_names tells a model of texts what labels mean")])
    rows = [*kept, *examples, *names]
    check_count(len(rows), max_examples, "support", "examples")
    refuse([*_repeated_ids(examples), *_misplaced(examples, kind, "support")])
    if kind == "regression":
        refuse(list(_bad_targets([*kept, *examples], len(kept), "support")))
        return targets_of(rows, kind)
    labels = {label for row in rows for label in labels_of(row)}
    check_count(len(labels), max_ways, "support", "labels")
    refuse([*look_alikes(kept, examples, "support", names), *same_names(names)])
    if len(labels) < 2:
        found = "one label only" if labels else "none"
        told = "examples or names" if names else "examples"
        refuse([FieldError("support", f"expected {told} of two labels or more, got {found}")])
    if kind == "frames":
        refuse(list(wrong_slots(examples, kept, "support")))
        slots = {slot.name for row in rows for slot in row.slots or ()}
        check_count(len(slots), max_ways, "support", "names of slots")
    return targets_of(rows, kind)


def check_truth(examples: Sequence[Taught], kind: Kind, *, kept: Sequence[Taught], max_ways: int) -> None:
    """Raise InvalidRequest or LimitExceeded for examples to evaluate on that do not go with what a task has `kept`.

    A label of null, which was written and not left out, is of none of the labels.
    """
    refuse(list(_misplaced(examples, kind, "examples", may_be_none=kind == "classification")))
    if kind == "classification" and all(example.label is None for example in examples):
        refuse([FieldError("examples", "expected examples with labels too, not only of none of them")])
    if kind == "regression":
        return refuse(list(_bad_targets([*kept, *examples], len(kept), "examples")))
    if kind == "frames":
        refuse(list(wrong_slots(examples, kept, "examples")))
    check_count(len({label for row in examples for label in labels_of(row)}), max_ways, "examples", "labels")
    return refuse(list(look_alikes(kept, examples, "examples")))


def targets_of(rows: Sequence[Taught], kind: Kind) -> Targets:
    """The targets of examples that have been checked."""
    if kind == "frames":
        return framed(rows)
    if kind != "regression":
        return indexed(rows, several=kind == "multilabel")
    scalar = not isinstance(rows[0].target, list)
    values = np.array([row.target for row in rows], np.float64).astype(np.float32)
    return Measured(values[:, None] if scalar else values, scalar)


def support_digest(inputs: npt.NDArray[Any], targets: Targets) -> str:
    """SHA-256 of a support set as the model sees it."""
    if isinstance(targets, Measured):
        arrays, labels = [inputs, targets.values], None
    else:
        arrays, labels = [inputs, targets.hot if isinstance(targets, Tagged) else targets.classes], targets.labels
        arrays += [targets.names] if targets.names.any() else []
    slots = [targets.slots, targets.spans] if isinstance(targets, Framed) else []
    told = [str(inputs.dtype), inputs.shape, arrays[1].shape, labels, *slots]
    digest = hashlib.sha256(json.dumps(told).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_count(count: int, limit: int, path: str, noun: str) -> None:
    """Raise LimitExceeded when there are more than the limit."""
    if count > limit:
        raise LimitExceeded.at([FieldError(path, f"{count} {noun}; at most {limit} are allowed")])


def refuse(wrong: Sequence[FieldError]) -> None:
    """Raise InvalidRequest if any field is wrong."""
    if wrong:
        raise InvalidRequest.at(wrong)


def _repeated_ids(examples: Sequence[Sent]) -> Iterator[FieldError]:
    seen: dict[str, int] = {}
    for position, example in enumerate(examples):
        if example.id is not None and seen.setdefault(example.id, position) != position:
            yield FieldError(f"support.{position}.id", f"is the id of support.{seen[example.id]} already")


def _misplaced(examples: Sequence[Taught], kind: Kind, path: str, *, may_be_none: bool = False) -> Iterator[FieldError]:
    wanted, other = ("target", "label") if kind == "regression" else ("label", "target")
    for position, example in enumerate(examples):
        if kind == "regression" and isinstance(getattr(example, "input", None), bytes):
            told = "is a file, which carries a label and no target: files are not taken here, send JSON"
            yield FieldError(f"{path}.{position}.input", told)
            continue
        is_none = may_be_none and wanted in getattr(example, "model_fields_set", ())
        if getattr(example, wanted) is None and not is_none:
            yield FieldError(f"{path}.{position}.{wanted}", f"is missing: each example of a {kind} task carries one")
        if getattr(example, other) is not None:
            yield FieldError(f"{path}.{position}.{other}", f"does not belong in a {kind} task")
        if example.slots is not None and kind != "frames":
            yield FieldError(f"{path}.{position}.slots", f"does not belong in a {kind} task")
    if kind != "regression":
        yield from misplaced(examples, path, several=kind == "multilabel")


def _bad_targets(examples: Sequence[Taught], num_kept: int, path: str) -> Iterator[FieldError]:
    first = examples[0].target
    expected = f"a list of {len(first)} numbers" if isinstance(first, list) else "a number"
    for position, example in enumerate(examples[num_kept:]):
        target = example.target
        if _length(target) != _length(first):
            yield FieldError(f"{path}.{position}.target", f"expected {expected}, as in {_whose(0, num_kept, path)}")
        elif np.abs(np.asarray(target, np.float64)).max() > LARGEST:
            yield FieldError(f"{path}.{position}.target", f"must not be larger than {LARGEST:g} in size")


def _whose(position: int, num_kept: int, path: str) -> str:
    """Where an example lies: in the request, or in the task already."""
    return "the task" if position < num_kept else f"{path}.{position - num_kept}"


def _length(target: float | list[float] | None) -> int | None:
    return len(target) if isinstance(target, list) else None
