"""The 20 small tables of UCI as rows of cells, and tasks drawn from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.small_tables import as_sent, read_table
from models.inputs.table import TableInput

SHOTS = (5, 10)
LEAST_LEFT = 2  # rows of each class to ask, or the set is left out
MAX_ASKED = 200
FOLDER = "tabular_cls"


@dataclass(frozen=True)
class Drawn:
    """A task: so many rows of each class are shown, and of the others some are asked, as they come."""

    support: npt.NDArray[np.float32]  # [S L 3]
    classes: npt.NDArray[np.int64]
    query: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """A set: rows as they would be sent, and the class of each."""

    name: str
    rows: list[list[Any]]
    classes: npt.NDArray[np.int64]

    def tasks(self, shots: int, num_draws: int) -> Iterator[Drawn]:
        """The tasks of so many shots; none where the smallest class is too small."""
        sizes = np.bincount(self.classes)
        if sizes.min() < shots + LEAST_LEFT:
            return
        for number in range(num_draws):
            draws = np.random.default_rng((number, shots, len(self.rows)))
            orders = [draws.permutation(np.flatnonzero(self.classes == each)) for each in range(len(sizes))]
            shown = np.concatenate([order[:shots] for order in orders])
            rest = np.concatenate([order[shots:] for order in orders])
            asked = draws.permutation(rest)[:MAX_ASKED]
            yield Drawn(self._cells(shown), self.classes[shown], self._cells(asked), self.classes[asked])

    def _cells(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.stack([TableInput()(self.rows[place]) for place in places])


def read(data: Path, name: str) -> Table:
    """A set; words are the names of categories, and what is missing is None."""
    found = read_table(data, FOLDER, name)
    return Table(name, as_sent(found), np.unique(found.targets.astype(np.int64), return_inverse=True)[1])
