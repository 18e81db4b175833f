"""The labels of a support set: one a row, or several; and the names of labels, which are rows too."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from service.errors import FieldError
from service.schemas import Slot

Role: TypeAlias = Literal["example", "name"]
NAMES = "label_names"


@dataclass(frozen=True)
class Labelled:
    """Classification targets: labels in the order of first appearance, each row's index into them, what is a name."""

    labels: list[str]
    classes: npt.NDArray[np.int64]
    names: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tagged:
    """Multi-label targets: labels in the order of first appearance, and which of them each row has [S N]."""

    labels: list[str]
    hot: npt.NDArray[np.bool_]
    names: npt.NDArray[np.bool_]


class Taught(Protocol):
    """An example, as sent or as stored, or a label's name; `label` for classification, `target` for regression."""

    @property
    def label(self) -> str | list[str] | None: ...  # noqa: D102
    @property
    def target(self) -> float | list[float] | None: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def slots(self) -> Sequence[Slot] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Name:
    """What a label is called, as a row of the support."""

    label: str
    input: str
    id: None = None
    target: None = None
    role: Final = "name"
    slots: None = None


def names_of(label_names: Mapping[str, str]) -> list[Name]:
    """The names of labels as rows."""
    return [Name(label, text) for label, text in label_names.items()]


def labels_of(row: Taught) -> list[str]:
    """The labels of a row, none for a row without."""
    return row.label if isinstance(row.label, list) else [] if row.label is None else [row.label]


def indexed(rows: Sequence[Taught], *, several: bool) -> Labelled | Tagged:
    """The targets of rows that have been checked; of one label each, or of several."""
    written = [labels_of(row) for row in rows]
    index = {label: way for way, label in enumerate(dict.fromkeys(label for labels in written for label in labels))}
    names = np.array([row.role == "name" for row in rows], np.bool_)
    if not several:
        return Labelled(list(index), np.array([index[labels[0]] for labels in written], np.int64), names)
    hot = np.zeros((len(rows), len(index)), np.bool_)
    for row, labels in enumerate(written):
        hot[row, [index[label] for label in labels]] = True
    return Tagged(list(index), hot, names)


def misplaced(rows: Sequence[Taught], path: str, *, several: bool) -> Iterator[FieldError]:
    """Rows with one label where several are told as a list, or the other way round; a label that is there twice."""
    for position, row in enumerate(rows):
        where = f"{path}.{position}.label"
        if several and isinstance(row.label, str) and row.role != "name":
            yield FieldError(where, "expected a list of labels, as each example of a multilabel task has one")
        elif isinstance(row.label, list) and (not several or row.role == "name"):
            yield FieldError(where, "expected one label, not a list: this is no multilabel task")
        for place, label in enumerate(labels_of(row)):
            if label in labels_of(row)[:place]:
                yield FieldError(f"{where}.{place}", "is there twice")


def look_alikes(
    kept: Sequence[Taught], rows: Sequence[Taught], path: str, names: Sequence[Name] = ()
) -> Iterator[FieldError]:
    """Labels that differ and yet look alike: readers and later requests could not tell them apart."""
    seen: dict[str, tuple[str, str]] = {}
    for row in kept:
        for label in labels_of(row):
            seen.setdefault(_shown(label), (label, "the task"))
    for label, where, owner in [*_places(rows, path), *((each.label, _at(each), NAMES) for each in names)]:
        first, whose = seen.setdefault(_shown(label), (label, owner))
        if first != label:
            yield FieldError(where, f"{label!r} and {first!r} of {whose} differ only in Unicode form or outer spaces")


def same_names(names: Sequence[Name]) -> Iterator[FieldError]:
    """Names that two labels share: nothing would tell these labels from each other."""
    seen: dict[str, str] = {}
    for each in names:
        first = seen.setdefault(_shown(each.input).casefold(), each.label)
        if first != each.label:
            yield FieldError(_at(each), f"is the name of {first!r} already")


def clashing_names(kept: Iterable[tuple[str, bytes]], names: Iterable[tuple[str, bytes, str]]) -> Iterator[FieldError]:
    """Second names of one label, and names that another label has, by their rows as a model sees them.

    A label and its row, of those that a task has `kept`; for new `names` also where they stand.
    """
    named = dict(kept)
    owners = {row: label for label, row in named.items()}
    for label, row, path in names:
        if label in named:
            yield FieldError(path, f"the label {label!r} has a name already")
        elif row in owners:
            yield FieldError(path, f"is the name of {owners[row]!r} already")
        named[label], owners[row] = row, label


def path_of_name(label: str) -> str:
    """Where the name of a label stands in a request."""
    return f"{NAMES}.{label[:80]}"


def _at(name: Name) -> str:
    return path_of_name(name.label)


def _places(rows: Sequence[Taught], path: str) -> Iterator[tuple[str, str, str]]:
    """Each label, where it stands, and whose it is."""
    for position, row in enumerate(rows):
        owner = f"{path}.{position}"
        if isinstance(row.label, str):
            yield row.label, f"{owner}.label", owner
        for place, label in enumerate(row.label if isinstance(row.label, list) else ()):
            yield label, f"{owner}.label.{place}", owner


def _shown(label: str) -> str:
    return unicodedata.normalize("NFKC", label).strip()
