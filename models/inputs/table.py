"""Rows of tables: numbers, texts and holes, one a column -> the array a model takes. No torch here."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.inputs.traits import Traits, never_cut, noise
from models.inputs.vector import LARGEST, NUMBERS

MISSING, NUMBER, WORD = 1, 2, 3  # kinds of cells; zero behind the last column
KIND, FIRST, SECOND = range(3)  # of the three numbers of a cell
USUAL_COLUMNS = 16
CODE_BYTES = 3  # a whole number of 24 bits is exact in single precision


class InvalidTable(ValueError):
    """This is not a row that a model can use; the message is a sentence for the sender."""


@dataclass(frozen=True)
class TableInput:
    """Rows of up to `max_columns` cells: a number, a text or null, which is a missing value.

    A cell becomes three numbers: its kind, and a number in two parts that keep 48 bits of it, or the code of a text.
    Every pair of a task's rows is compared column by column, so there are limits on both.
    """

    max_columns: int = 64
    max_rows: int = 320  # of a support
    max_ways: int = 26

    truncated = never_cut

    @property
    def traits(self) -> Traits:
        """What there may be of it."""
        return Traits(self.max_columns, self.max_rows, self.max_ways, has_own_columns=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what a call returns."""
        return (self.max_columns, 3)

    @property
    def dtype(self) -> str:
        """Type of what a call returns."""
        return "float32"

    def __call__(self, cells: object) -> npt.NDArray[np.float32]:
        """The cells of a row, zero behind the last. Raises InvalidTable."""
        if not isinstance(cells, Sequence) or isinstance(cells, str | bytes):
            raise InvalidTable("a row must be a list of numbers, texts and nulls")
        if not 1 <= len(cells) <= self.max_columns:
            raise InvalidTable(f"expected a row of 1 to {self.max_columns} cells, got {len(cells)}")
        row = np.zeros(self.shape, np.float32)
        for column, cell in enumerate(cells):
            row[column] = _cell(cell, column)
        return row

    def forms(self, rows: npt.NDArray[Any]) -> list[str]:
        """What each row is, in words: rows of one task have as many cells. Empty for what no input makes."""
        return [_form(row) for row in rows]

    def made_up(self, num_rows: int) -> npt.NDArray[np.float32]:
        """Rows of numbers, as good as any for measuring how long they take."""
        rows = noise(self, num_rows)
        rows[..., KIND] = NUMBER
        rows[:, USUAL_COLUMNS:] = 0
        return rows


def _form(row: npt.NDArray[np.float32]) -> str:
    kinds, width = row[:, KIND], int((row[:, KIND] > 0).sum())
    is_good = width > 0 and np.isin(kinds[:width], (MISSING, NUMBER, WORD)).all() and (np.abs(row) <= LARGEST).all()
    return f"a row of {width} cells" if is_good else ""


def width_of(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """How many columns each row [B L 3] has."""
    count: npt.NDArray[np.int64] = (rows[..., KIND] > 0).sum(1)
    return count


def _cell(cell: object, column: int) -> tuple[int, float, float]:
    if cell is None:
        return (MISSING, 0.0, 0.0)
    if isinstance(cell, str):
        return (WORD, *_code(cell))
    if type(cell) not in NUMBERS:
        raise InvalidTable(f"cell {column} is not a number, a text or null")
    number = float(cell)  # type: ignore[arg-type]  # of a type in NUMBERS
    if not -LARGEST <= number <= LARGEST:
        raise InvalidTable(f"cell {column} is not finite in single precision")
    first = float(np.float32(number))
    return (NUMBER, first, number - first)


def _code(text: str) -> tuple[float, float]:
    """Two whole numbers: texts that differ have other ones but once in 2^48."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=2 * CODE_BYTES).digest()
    return float(int.from_bytes(digest[:CODE_BYTES])), float(int.from_bytes(digest[CODE_BYTES:]))
