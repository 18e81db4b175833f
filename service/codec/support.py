"""The targets of a support set: every rule about labels, numbers and ids, checked before any input is decoded."""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from service.errors import FieldError, InvalidRequest, LimitExceeded
from service.schemas import Kind

LARGEST = 1e15  # models square what they are sent, and squares must stay finite in single precision


@dataclass(frozen=True)
class Labelled:
    """Classification targets: labels in the order of first appearance, and each row's index into them."""

    labels: list[str]
    classes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Regression targets [S O]; `scalar` when the sender wrote numbers and not lists of them."""

    values: npt.NDArray[np.float32]
    scalar: bool


class Taught(Protocol):
    """An example, as sent or as stored: `label` for classification, `target` for regression."""

    @property
    def label(self) -> str | None: ...  # noqa: D102
    @property
    def target(self) -> float | list[float] | None: ...  # noqa: D102


class Sent(Taught, Protocol):
    """An example as sent, perhaps with an id."""

    @property
    def id(self) -> str | None: ...  # noqa: D102


def decode_support(
    examples: Sequence[Sent], kind: Kind, *, max_examples: int, max_ways: int, kept: Sequence[Taught] = ()
) -> Labelled | Measured:
    """The targets of a support set: those that a task has `kept`, then these. The limits count them all.

    Raises InvalidRequest with every bad field, or LimitExceeded.
    """
    check_count(len(kept) + len(examples), max_examples, "support", "examples")
    refuse([*_repeated_ids(examples), *_misplaced(examples, kind, "support")])
    check = _check_labels if kind == "classification" else _check_values
    check([*kept, *examples], len(kept), max_ways)
    return targets_of([*kept, *examples], kind)


def check_truth(examples: Sequence[Taught], kind: Kind, *, kept: Sequence[Taught], max_ways: int) -> None:
    """Raise InvalidRequest or LimitExceeded for examples to evaluate on that do not go with what a task has `kept`."""
    refuse(list(_misplaced(examples, kind, "examples")))
    if kind == "regression":
        return refuse(list(_bad_targets([*kept, *examples], len(kept), "examples")))
    labels = [example.label or "" for example in examples]
    check_count(len(set(labels)), max_ways, "examples", "labels")
    return refuse(list(_look_alikes([*(each.label or "" for each in kept), *labels], len(kept), "examples")))


def targets_of(examples: Sequence[Taught], kind: Kind) -> Labelled | Measured:
    """The targets of examples that have been checked."""
    if kind == "classification":
        written = [example.label or "" for example in examples]
        index = {label: way for way, label in enumerate(dict.fromkeys(written))}
        return Labelled(list(index), np.array([index[label] for label in written], np.int64))
    scalar = not isinstance(examples[0].target, list)
    values = np.array([example.target for example in examples], np.float64).astype(np.float32)
    return Measured(values[:, None] if scalar else values, scalar)


def support_digest(inputs: npt.NDArray[Any], targets: Labelled | Measured) -> str:
    """SHA-256 of a support set as the model sees it."""
    kept = targets.classes if isinstance(targets, Labelled) else targets.values
    labels = targets.labels if isinstance(targets, Labelled) else None
    digest = hashlib.sha256(json.dumps([str(inputs.dtype), inputs.shape, kept.shape, labels]).encode())
    for array in (inputs, kept):
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


def _check_labels(examples: Sequence[Taught], num_kept: int, max_ways: int) -> None:
    labels = [example.label or "" for example in examples]
    check_count(len(set(labels)), max_ways, "support", "labels")
    refuse(list(_look_alikes(labels, num_kept, "support")))
    if len(set(labels)) < 2:
        refuse([FieldError("support", "expected examples of two labels or more, got one label only")])


def _check_values(examples: Sequence[Taught], num_kept: int, max_ways: int) -> None:
    refuse(list(_bad_targets(examples, num_kept, "support")))


def _repeated_ids(examples: Sequence[Sent]) -> Iterator[FieldError]:
    seen: dict[str, int] = {}
    for position, example in enumerate(examples):
        if example.id is not None and seen.setdefault(example.id, position) != position:
            yield FieldError(f"support.{position}.id", f"is the id of support.{seen[example.id]} already")


def _misplaced(examples: Sequence[Taught], kind: Kind, path: str) -> Iterator[FieldError]:
    wanted, other = ("label", "target") if kind == "classification" else ("target", "label")
    for position, example in enumerate(examples):
        if getattr(example, wanted) is None:
            yield FieldError(f"{path}.{position}.{wanted}", f"is missing: each example of a {kind} task carries one")
        if getattr(example, other) is not None:
            yield FieldError(f"{path}.{position}.{other}", f"does not belong in a {kind} task")


def _look_alikes(labels: Sequence[str], num_kept: int, path: str) -> Iterator[FieldError]:
    """Labels that differ and yet look alike: readers and later requests could not tell them apart."""
    seen: dict[str, tuple[str, int]] = {}
    for position, label in enumerate(labels):
        first, where = seen.setdefault(unicodedata.normalize("NFKC", label).strip(), (label, position))
        if first != label:
            whose = _whose(where, num_kept, path)
            message = f"{label!r} and {first!r} of {whose} differ only in Unicode form or outer spaces"
            yield FieldError(f"{path}.{position - num_kept}.label", message)


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
