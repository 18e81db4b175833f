"""The public sets of small tables: their values, what is to be told of each row, and what their words are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.absent import AbsentDataSet
from models.data.sources import SOURCES, digests


@dataclass(frozen=True)
class SmallTable:
    """A table as it lies on the disk; `classes` and `families` are empty where it has none."""

    name: str
    values: npt.NDArray[np.float32]  # [R C], NaN where one is missing; of a column of words their numbers
    targets: npt.NDArray[Any]  # [R]
    classes: Sequence[str]  # by number
    families: Sequence[str]  # of each row
    words: Sequence[Sequence[str] | None]  # of each column that has some, by number


def names_of(name: str) -> list[str]:
    """Every table of a set."""
    return sorted(Path(file).stem for file in digests(name))


def read_table(data: Path, name: str, table: str) -> SmallTable:
    """One table of a set. Raises AbsentDataSet."""
    path = data / SOURCES[name].folder / f"{table}.npz"
    if not path.is_file():
        raise AbsentDataSet(name, path)
    with np.load(path) as found:
        return SmallTable(
            table, found["X"], found["y"], _texts(found, "classes"), _texts(found, "task"), list(_words(found))
        )


def filled(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What is missing is the median of its column, or 0 where all of it is missing."""
    missing = np.isnan(values)
    return np.where(missing, np.nanmedian(np.where(missing.all(0), 0, values), 0), values)


def as_sent(table: SmallTable) -> list[list[float | str | None]]:
    """Rows as a user would send them: words are the names of categories, and what is missing is None."""
    words = table.words or [None] * table.values.shape[1]
    return [[_cell(*pair) for pair in zip(row, words, strict=True)] for row in table.values.tolist()]


def _cell(value: float, words: Sequence[str] | None) -> float | str | None:
    if np.isnan(value):
        return None
    return value if words is None else words[int(value)]


def _texts(found: Mapping[str, npt.NDArray[Any]], key: str) -> list[str]:
    return [str(each) for each in found[key].tolist()] if key in found else []


def _words(found: Mapping[str, npt.NDArray[Any]]) -> Iterator[list[str] | None]:
    words: dict[str, list[str]] = json.loads(str(found["categories"])) if "categories" in found else {}
    columns, kinds = (_texts(found, key) for key in ("feature_names", "feature_types"))
    for column, kind in zip(columns, kinds, strict=False):  # sets of numbers alone say no kinds
        yield words.get(column) if kind == "cat" else None
