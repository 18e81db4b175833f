"""Images, texts and vectors -> rows of one shape, for models that take them all: bytes, the first says which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.inputs.image import GlyphInput
from models.inputs.text import TextInput
from models.inputs.traits import Traits
from models.inputs.vector import LARGEST, InvalidVector, VectorInput

IMAGE, TEXT, VECTOR = 1, 2, 3  # the first byte of a row; the second is how many numbers a vector has
HEAD = 2
PIECE_ROWS = {IMAGE: 128, VECTOR: 1024}  # that go through an encoder at once
MAX_DIM = 255  # what the second byte can say

Rows = npt.NDArray[Any]


@dataclass(frozen=True)
class MixedInput:
    """A drawn character as GlyphInput has it, a text as TextInput, or a vector of up to `max_dim` numbers.

    What is not needed of a row is zero. The encoder gets pieces of one modality each, which their type tells apart:
    glyphs in bytes, tokens in whole numbers, vectors as they are, with zeros behind.
    """

    size: int = 28
    margin: int = 2
    base: str = "minilm"
    max_tokens: int = 32
    max_dim: int = 64

    def __post_init__(self) -> None:
        if not 0 < self.max_dim <= MAX_DIM:
            raise ValueError(f"vectors have from 1 to {MAX_DIM} numbers")
        self.text  # noqa: B018 - so that a model whose base is missing is told at its start

    @cached_property
    def glyph(self) -> GlyphInput:
        """What makes rows of images."""
        return GlyphInput(self.size, self.margin)

    @cached_property
    def text(self) -> TextInput:
        """What makes rows of texts."""
        return TextInput(self.base, self.max_tokens)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (HEAD + max(self.size**2, 4 * self.max_tokens, 4 * self.max_dim),)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "uint8"

    @property
    def traits(self) -> Traits:
        """What there may be of it."""
        return Traits(widest=self.max_dim)

    def __call__(self, given: Image.Image | Rows | str | Sequence[float]) -> npt.NDArray[np.uint8]:
        """The row of an image (also as its pixels), a text or numbers. Raises what those parts raise."""
        if isinstance(given, str):
            return self._row(TEXT, 0, self.text(given))
        if isinstance(given, Image.Image | np.ndarray):
            return self._row(IMAGE, 0, self.glyph(given))
        if not 0 < len(given) <= self.max_dim:
            raise InvalidVector(f"expected a vector of 1 to {self.max_dim} numbers, got {len(given)}")
        return self._row(VECTOR, len(given), VectorInput(len(given))(list(given)))

    def forms(self, rows: Rows) -> list[str]:
        """What each row is, in words: rows of one task are all of one form. Empty for what no input makes."""
        return [self._form(row) for row in rows]

    def _form(self, row: npt.NDArray[np.uint8]) -> str:
        if row[0] == TEXT:
            tokens = self._texts(row[None])
            return "a text" if ((tokens >= 0) & (tokens < self.text.num_ids)).all() else ""
        if row[0] == VECTOR and 0 < row[1] <= self.max_dim:
            is_good = (np.abs(self._vectors(row[None])) <= LARGEST).all()  # so that NaN is not
            return f"a vector of {int(row[1])} numbers" if is_good else ""
        return "an image" if row[0] == IMAGE else ""

    def truncated(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these rows are texts that were cut."""
        found: npt.NDArray[np.bool_] = (rows[:, 0] == TEXT) & self.text.truncated(self._texts(rows))
        return found

    def cut(self, rows: Rows, max_cost: int) -> Iterator[tuple[npt.NDArray[np.int64], Rows]]:
        """Pieces of one modality: positions, and what the encoder takes; texts of one length cost so many tokens."""
        for modality, num in PIECE_ROWS.items():
            places = np.flatnonzero(rows[:, 0] == modality)
            for first in range(0, len(places), num):
                piece = places[first : first + num]
                yield piece, self._images(rows[piece]) if modality == IMAGE else self._vectors(rows[piece])
        places = np.flatnonzero(rows[:, 0] == TEXT)
        if len(places):
            for where, tokens in self.text.cut(self._texts(rows[places]), max_cost):
                yield places[where], tokens

    def made_up(self, num_rows: int) -> npt.NDArray[np.uint8]:
        """Rows of each modality in turn, as good as any for measuring how long they take."""
        draws = np.random.default_rng(0)
        makers = (
            lambda: self._row(IMAGE, 0, draws.integers(1, 256, self.glyph.shape).astype(np.uint8)),
            lambda: self._row(TEXT, 0, draws.integers(1, 256, min(12, self.max_tokens)).astype(np.int32)),
            lambda: self._row(VECTOR, self.max_dim, draws.normal(size=self.max_dim).astype(np.float32)),
        )
        return np.stack([makers[number % 3]() for number in range(num_rows)])

    def _row(self, modality: int, dim: int, array: Rows) -> npt.NDArray[np.uint8]:
        row = np.zeros(self.shape, np.uint8)
        content = np.frombuffer(array.tobytes(), np.uint8)
        row[0], row[1], row[HEAD : HEAD + len(content)] = modality, dim, content
        return row

    def _images(self, rows: Rows) -> Rows:
        return rows[:, HEAD : HEAD + self.size**2].copy().reshape(-1, self.size, self.size)

    def _texts(self, rows: Rows) -> Rows:
        return rows[:, HEAD : HEAD + 4 * self.max_tokens].copy().view(np.int32)

    def _vectors(self, rows: Rows) -> Rows:
        return rows[:, HEAD : HEAD + 4 * self.max_dim].copy().view(np.float32)
