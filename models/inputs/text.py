"""Texts -> the token ids a model takes: the tokenizer of its base, the same for training and for serving. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.bases import MissingBase, find
from models.inputs.traits import Traits, no_forms, noise

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PAD, END = 0, 102  # of BERT's vocabulary; a text that was cut does not close with END
USUAL_TOKENS = 12  # of a short sentence
STEP = 4  # tokens: texts are padded to a multiple, so that there are few lengths; a pass costs more than padding
MAX_CHARACTERS = 128  # a token, at most: a bound on what reading a text costs, which blanks inside it may reach

Rows = npt.NDArray[Any]


class InvalidText(ValueError):
    """This text cannot be used; the message is a sentence for the sender."""


@dataclass(frozen=True)
class TextInput:
    """The tokens of a text, at most `max_tokens` with the two that open and close it; then padding, which is 0."""

    base: str = "minilm"
    max_tokens: int = 64
    sha256: str | None = None  # of the tokenizer of a base that is one's own

    forms = no_forms

    def __post_init__(self) -> None:
        self.tokenizer  # noqa: B018 - so that a model whose base is missing is told at its start

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.max_tokens,)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "int32"

    @property
    def tokenizer(self) -> "Tokenizer":
        """What cuts texts into tokens."""
        return _tokenizer(self.base, self.sha256)

    @property
    def traits(self) -> Traits:
        """What there may be of it."""
        return Traits(num_ids=self.num_ids)

    @property
    def num_ids(self) -> int:
        """Ids are below this."""
        return int(self.tokenizer.get_vocab_size())

    def __call__(self, text: str) -> npt.NDArray[np.int32]:
        """The ids of the text without the blanks around it. Raises InvalidText where there is nothing to read."""
        return self.row(text.strip() if isinstance(text, str) else text)

    def row(self, text: str) -> npt.NDArray[np.int32]:
        """The ids of the text as it is. Raises InvalidText where there is nothing to read."""
        ids = self.encoded(text).ids
        if len(ids) <= 2:
            raise InvalidText("the text is empty")
        is_whole = len(ids) <= self.max_tokens and len(text) <= self.max_characters
        row = np.zeros(self.shape, np.int32)
        kept = ids if is_whole else ids[: min(self.max_tokens, len(ids) - 1)]
        row[: len(kept)] = kept
        return row

    @property
    def max_characters(self) -> int:
        """What is read of a text."""
        return MAX_CHARACTERS * self.max_tokens

    def encoded(self, text: str) -> "Encoding":
        """Every token of the text, with where it lies; lone surrogates, which no text has, are read as "?"."""
        if not isinstance(text, str):
            raise InvalidText("expected a text")
        text = text[: self.max_characters]
        return self.tokenizer.encode(text.encode("utf-8", "replace").decode())

    def made_up(self, num_rows: int) -> Rows:
        """Short sentences, as good as any for measuring how long they take."""
        rows = noise(self, num_rows)
        rows[:, USUAL_TOKENS:] = PAD
        return rows

    def truncated(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these texts [B L] were cut."""
        last = np.maximum(_lengths(rows) - 1, 0)
        found: npt.NDArray[np.bool_] = rows[np.arange(len(rows)), last] != END
        return found

    def cut(self, rows: Rows, max_cost: int, mixed: bool = False) -> Iterator[tuple[npt.NDArray[np.int64], Rows]]:
        """Pieces of at most `max_cost` tokens: positions, and rows [P l] cut to their length. Short texts first.

        A piece holds texts of one length, padded to the next of few: what its neighbours are moves no bit of a text's
        features. Where that does not matter, `mixed` makes fewer pieces, of texts of different lengths.
        """
        lengths = np.maximum(_lengths(rows), 1)
        if not mixed:
            lengths = np.minimum(-(-lengths // STEP) * STEP, rows.shape[1])
        order = np.argsort(lengths, kind="stable")
        for piece in _pieces(order, lengths[order].tolist(), max_cost, mixed):
            yield piece, rows[piece, : lengths[piece[-1]]]


def _pieces(
    order: npt.NDArray[np.int64], lengths: Sequence[int], max_cost: int, mixed: bool
) -> Iterator[npt.NDArray[np.int64]]:
    """The order, cut where one more would pass the cost or have another length; lengths grow."""
    first = 0
    for stop in range(1, len(order) + 1):
        is_end = stop == len(order) or not (mixed or lengths[stop] == lengths[first])
        if is_end or (stop - first + 1) * lengths[stop] > max_cost:
            yield order[first:stop]
            first = stop


def _lengths(rows: Rows) -> npt.NDArray[np.int64]:
    """Tokens of each row: all up to the last that is no padding."""
    is_token = rows != PAD
    return np.where(is_token.any(1), rows.shape[1] - is_token[:, ::-1].argmax(1), 0)


@cache
def _tokenizer(base: str, sha256: str | None) -> "Tokenizer":
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingBase("Reading texts needs the package tokenizers: pip install 'kshot[text]'.") from None
    tokenizer = Tokenizer.from_file(str(find(base, "tokenizer.json", sha256)))
    tokenizer.no_truncation()  # whether a text was cut must be known
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # "[SEP]" in a text is a word like any other
    return tokenizer
