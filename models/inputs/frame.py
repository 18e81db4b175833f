"""Texts -> tokens, the word that each is of, and where that word lies in the text: what slots are told in. No torch."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from models.inputs.text import PAD, USUAL_TOKENS, TextInput
from models.inputs.traits import Traits, no_forms, noise

NUM_COLUMNS = 5
ID, WORD, START, END, LOOK = range(NUM_COLUMNS)  # WORD counts from 1 and is 0 where a token is of none
NUM_MARKS = 2  # tokens of no word: what opens and closes a text
SENTENCE_ROWS = 4  # of what the encoder makes, beside a row a word: see models.encoders.words

Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class FrameInput:
    """The tokens of a text as TextInput has them, in rows of five columns; words are runs of letters and digits.

    A mark of punctuation is a word of its own, and so is an ideograph. Offsets count characters (Unicode code points)
    of the text as it was sent.
    """

    base: str = "minilm"
    max_tokens: int = 64
    sha256: str | None = None  # of the tokenizer of a base that is one's own

    forms = no_forms

    @property
    def text(self) -> TextInput:
        """What cuts texts into tokens."""
        return TextInput(self.base, self.max_tokens, self.sha256)

    @property
    def max_words(self) -> int:
        """Words that are read of a text."""
        return max_words(self.max_tokens)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.max_tokens, NUM_COLUMNS)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "int32"

    @property
    def traits(self) -> Traits:
        """What there may be of it."""
        return Traits(num_ids=self.num_ids)

    @property
    def num_ids(self) -> int:
        """Numbers in a row are below this: ids, and what is smaller."""
        return max(self.text.num_ids, self.text.max_characters + 1)

    def __call__(self, text: str) -> npt.NDArray[np.int32]:
        """The rows of the text. Raises InvalidText where there is nothing to read."""
        row = np.zeros(self.shape, np.int32)
        row[:, ID] = self.text.row(text)  # offsets count from its first character, blank or not
        encoding = self.text.encoded(text)
        borders: dict[int, tuple[int, int]] = {}
        for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
            if word is not None and start < end:
                borders[word] = (min(start, borders.get(word, (start, end))[0]), _with_marks(text, end))
        for word, following in pairwise(sorted(borders)):  # a mark may be a word of its own as well
            start, end = borders[word]
            borders[word] = (start, min(end, borders[following][0]))
        number = {word: place for place, word in enumerate(sorted(borders), 1)}
        for token, word in enumerate(encoding.word_ids[: self.max_tokens]):
            if word in number and number[word] <= self.max_words and row[token, ID]:
                start, end = borders[word]
                row[token, WORD:] = number[word], start, end, _look(text[start:end])
        return row

    def borders(self, row: Rows) -> list[tuple[int, int]]:
        """Where each word of a row [L 5] lies in the text: its first character, and the one behind its last."""
        return borders_of(row)

    def made_up(self, num_rows: int) -> Rows:
        """Short sentences, as good as any for measuring how long they take."""
        rows = noise(self, num_rows)
        rows[:, USUAL_TOKENS:] = PAD
        return rows

    def truncated(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these texts [B L 5] were cut, or have words behind the last that is read."""
        unread = (rows[..., ID] != 0).sum(1) - (rows[..., WORD] > 0).sum(1) > NUM_MARKS
        found: npt.NDArray[np.bool_] = self.text.truncated(rows[..., ID]) | unread
        return found

    def cut(self, rows: Rows, max_cost: int) -> Iterator[tuple[npt.NDArray[np.int64], Rows]]:
        """Pieces of at most `max_cost` tokens: positions, and rows [P l 5] cut to the longest. Short texts first."""
        for positions, ids in self.text.cut(rows[..., ID], max_cost):
            yield positions, rows[positions, : ids.shape[1]]


def _with_marks(text: str, end: int) -> int:
    """Behind the accents that follow the word: the tokenizer passes over them, and they are of its last letter."""
    while end < len(text) and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end


def _look(word: str) -> int:
    """What the tokenizer, which reads small letters alone, does not see of a word: eight bits."""
    bits = (
        word[:1].isupper(),
        word.isupper() and len(word) > 1,
        any(character.isdigit() for character in word),
        not any(character.isalnum() for character in word),
        word.islower(),
        False,
        False,
        True,
    )
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def max_words(num_tokens: int) -> int:
    """Words that are read of a text of so many tokens."""
    return num_tokens - SENTENCE_ROWS


def borders_of(row: Rows) -> list[tuple[int, int]]:
    """Where each word of a row [L 5] lies in the text: its first character, and the one behind its last."""
    last = max_words(len(row))
    found = {word: (start, end) for word, start, end in row[:, [WORD, START, END]].tolist() if 0 < word <= last}
    return [found[word] for word in sorted(found)]


class Misplaced(ValueError):
    """A slot that the words of its text cannot hold; the message is a sentence for the sender."""


def words_of(borders: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The words from one character to before another: the first of them, and the one behind the last.

    Raises Misplaced where there are none, where they are not read, or where a word is in it only in part.
    """
    inside = [word for word, (first, stop) in enumerate(borders) if first < end and stop > start]
    if not inside:
        read = borders[-1][1] if borders else 0
        raise Misplaced("lies behind what the model reads of the text" if start >= read else "holds no word")
    if borders[inside[0]][0] < start or borders[inside[-1]][1] > end:
        raise Misplaced("does not begin and end where words do")
    return inside[0], inside[-1] + 1


def tagged(tags: npt.NDArray[np.int64], borders: list[tuple[int, int]], slots: list[tuple[int, int, int]]) -> None:
    """Write slots (number from 1 on, first character, behind the last) into tags; those that misfit are left out."""
    for number, start, end in slots:
        try:
            first, stop = words_of(borders, start, end)
        except Misplaced:
            continue
        if not tags[first:stop].any():
            tags[first:stop] = 2 * number
            tags[first] = 2 * number - 1
