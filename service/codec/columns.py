"""Rows by the names of their columns: cells that are sent in another order than the task's are put in its own."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.inputs import Input as Preprocess
from models.inputs.mixed import HEAD, VECTOR, MixedInput
from models.inputs.table import TableInput, width_of
from models.inputs.vector import VectorInput
from service.codec.support import refuse
from service.errors import FieldError
from service.schemas import Input

SHOWN = 10  # names, where something is wrong with them


def column_order(sent: Sequence[str] | None, kept: Sequence[str] | None) -> list[int] | None:
    """Where each column of a task, `kept`, stands in rows of the columns `sent`; none where the sender named none.

    Raises InvalidRequest unless both are the same columns.
    """
    if sent is None:
        return None
    if kept is None:
        refuse([FieldError("columns", "the task was made without names of columns: leave them out, or make it anew")])
        return None
    places = {name: place for place, name in enumerate(sent)}
    strange, lacking = [name for name in sent if name not in kept], [name for name in kept if name not in places]
    if strange or lacking:
        instead = f"has {_shown(strange)} {'instead' if lacking else 'beyond them'}"
        said = [f"lacks {_shown(lacking)}"] * bool(lacking) + [instead] * bool(strange)
        refuse([FieldError("columns", f"expected the task's columns, in any order: the list {' and '.join(said)}")])
    return [places[name] for name in kept]


def misshapen(inputs: Sequence[Input], num_columns: int, path: str) -> Iterator[FieldError]:
    """Inputs that are no row of so many cells."""
    for place, row in enumerate(inputs):
        if not isinstance(row, list) or len(row) != num_columns:
            got = f", got {len(row)}" if isinstance(row, list) else ""
            yield FieldError(path.format(place), f"expected a list of {num_columns} cells, one for each column{got}")


def arranged(rows: npt.NDArray[Any], order: Sequence[int], preprocess: Preprocess) -> npt.NDArray[Any]:
    """Decoded rows [B *X] with the cells of each in this order."""
    if [*order] == [*range(len(order))]:
        return rows
    found, cells = rows.copy(), slice(0, len(order))
    if isinstance(preprocess, MixedInput):  # vectors, in bytes behind the head
        numbers = np.s_[:, HEAD : HEAD + 4 * len(order)]
        found[numbers] = rows[numbers].copy().view(np.float32)[:, list(order)].view(np.uint8)
    else:
        found[:, cells] = rows[:, list(order)]
    return found


def num_cells(rows: npt.NDArray[Any], preprocess: Preprocess) -> int:
    """How many cells rows of one task have, as a model takes them; none of what is no row of cells."""
    if isinstance(preprocess, MixedInput):
        return int(rows[0, 1]) if rows[0, 0] == VECTOR else 0
    if isinstance(preprocess, TableInput):
        return int(width_of(rows[:1])[0])
    return preprocess.dim if isinstance(preprocess, VectorInput) else 0


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name[:80]) for name in names[:SHOWN]) + more
