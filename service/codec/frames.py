"""Frames: the slots of a support set as tags of words, and tags as slots of the text that was asked about."""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from models.chain import spans
from models.inputs.frame import Misplaced, borders_of, max_words, tagged, words_of
from service.codec.answers import ranked
from service.codec.labels import Taught, labels_of
from service.errors import FieldError
from service.schemas import FoundSlot, Frame, Slot

Span: TypeAlias = tuple[str, int, int]  # name, first character, and the one behind the last


class Sliced(Protocol):
    """An example that may have slots."""

    @property
    def slots(self) -> Sequence[Slot] | None: ...  # noqa: D102


@dataclass(frozen=True)
class Framed:
    """Intents as Labelled has them; and the slots of each row, by their places in `slots`, in order of appearance."""

    labels: list[str]
    classes: npt.NDArray[np.int64]
    names: npt.NDArray[np.bool_]
    slots: list[str]
    spans: list[list[tuple[int, int, int]]]


def slots_of(row: Sliced) -> list[Span]:
    """The slots of a row, from left to right."""
    return sorted(((slot.name, slot.start, slot.end) for slot in row.slots or ()), key=lambda span: span[1:])


def framed(rows: Sequence[Taught]) -> Framed:
    """The targets of rows that have been checked."""
    intents = [labels_of(row)[0] for row in rows]
    labels = {label: way for way, label in enumerate(dict.fromkeys(intents))}
    names = {name: place for place, name in enumerate(dict.fromkeys(span[0] for row in rows for span in slots_of(row)))}
    return Framed(
        list(labels),
        np.array([labels[intent] for intent in intents], np.int64),
        np.zeros(len(rows), np.bool_),
        list(names),
        [[(names[name], start, end) for name, start, end in slots_of(row)] for row in rows],
    )


def tags_of(targets: Framed, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The tag of each word [S W] of rows as a FrameInput makes them, see models.types.Tags."""
    tags = np.zeros((len(rows), max_words(rows.shape[1])), np.int64)
    for tag, row, own in zip(tags, rows, targets.spans, strict=True):
        tagged(tag, borders_of(row), [(place + 1, start, end) for place, start, end in own])
    return tags


def wrong_slots(rows: Sequence[Sliced], kept: Sequence[Sliced], path: str) -> Iterator[FieldError]:
    """Slots that are empty, overlap or lie beyond their text; names of slots that look alike."""
    seen = {_shown(name): name for row in kept for name, _, _ in slots_of(row)}
    for position, row in enumerate(rows):
        text = getattr(row, "input", None)
        for place, slot in enumerate(row.slots or ()):
            where = f"{path}.{position}.slots.{place}"
            first = seen.setdefault(_shown(slot.name), slot.name)
            if first != slot.name:
                yield FieldError(f"{where}.name", f"{slot.name!r} and {first!r} differ only in Unicode form or spaces")
            if slot.end <= slot.start:
                yield FieldError(f"{where}.end", "must be more than start, since a slot holds a character at least")
            elif isinstance(text, str) and slot.end > len(text):
                yield FieldError(f"{where}.end", f"lies beyond the text, which has {len(text)} characters")
            for other, before in enumerate((row.slots or ())[:place]):
                if slot.start < before.end and before.start < slot.end:
                    yield FieldError(where, f"overlaps slots.{other}")


def misplaced_slots(rows: Sequence[Sliced], words: npt.NDArray[Any], path: str) -> Iterator[FieldError]:
    """Slots that do not begin and end where the words of their text do, or lie behind what is read of it."""
    for position, (row, own) in enumerate(zip(rows, words, strict=False)):
        borders = borders_of(own) if row.slots else []
        for place, slot in enumerate(row.slots or ()):
            try:
                words_of(borders, slot.start, slot.end)
            except Misplaced as error:
                yield FieldError(f"{path}.{position}.slots.{place}", str(error))


def frames(
    labels: Sequence[str],
    slots: Sequence[str],
    probabilities: npt.NDArray[Any],
    tags: npt.NDArray[np.int64],
    certainty: npt.NDArray[Any],
    texts: Sequence[str],
    rows: npt.NDArray[Any],
    top: int | None,
) -> list[Frame]:
    """Answers as sent, from probabilities [Q N], tags [Q W] of the words of rows, and how sure each slot is [Q W]."""
    answers = []
    for text, row, tag, sure, scores in zip(
        texts, rows, tags, certainty, ranked(labels, probabilities, top), strict=True
    ):
        borders, label = borders_of(row), next(iter(scores))
        found = [
            (slots[place], borders[first][0], borders[stop - 1][1], float(sure[first]))
            for place, first, stop in spans(tag, len(borders))
        ]
        own = [
            FoundSlot.model_construct(name=name, start=start, end=end, text=text[start:end], score=score)
            for name, start, end, score in found
        ]
        answers.append(Frame.model_construct(label=label, scores=scores, slots=own, form=form_of(label, own)))
    return answers


def form_of(label: str, slots: Sequence[FoundSlot]) -> str:
    """The frame as an S-expression; names that are no plain atoms are in quotes, as the texts of slots are."""
    return f"({' '.join([_atom(label), *(f'({_atom(slot.name)} {_quoted(slot.text)})' for slot in slots)])})"


def _atom(name: str) -> str:
    is_plain = name and not any(character.isspace() or character in "()\"';\\" for character in name)
    return name if is_plain else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _shown(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip()
