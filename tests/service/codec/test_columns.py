"""Rows whose cells stand in another order than those of their task, of each kind of inputs that has cells."""

import numpy as np
import pytest

from models.inputs import Input as Preprocess
from models.inputs.mixed import MixedInput
from models.inputs.table import TableInput
from models.inputs.vector import VectorInput
from service.codec import arranged, column_order, misshapen, num_cells
from service.errors import InvalidRequest

SENT, KEPT = ["c", "a", "b"], ["a", "b", "c"]
INPUTS = [TableInput(), VectorInput(3), MixedInput()]


@pytest.mark.parametrize("preprocess", INPUTS, ids=["table", "vector", "mixed"])
def test_cells_are_put_in_the_order_of_the_task(preprocess: Preprocess) -> None:
    order = column_order(SENT, KEPT)
    assert order == [1, 2, 0]
    sent, wanted = (np.stack([_row(preprocess, cells) for cells in rows]) for rows in ([[3, 1, 2]], [[1, 2, 3]]))
    before = sent.copy()
    assert np.array_equal(arranged(sent, order, preprocess), wanted)
    assert np.array_equal(sent, before) and num_cells(sent, preprocess) == 3
    assert arranged(sent, [0, 1, 2], preprocess) is sent


def _row(preprocess: Preprocess, numbers: list[int]) -> np.ndarray:
    cells = [float(number) for number in numbers]
    found: np.ndarray = preprocess(cells)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("sent", "kept", "told"),
    [
        (["a", "b"], KEPT, "lacks 'c'"),
        (["a", "b", "C"], KEPT, "lacks 'c' and has 'C' instead"),
        ([*KEPT, "d"], KEPT, "has 'd' beyond them"),
        (KEPT, None, "without names of columns"),
    ],
)
def test_other_columns_are_refused(sent: list[str], kept: list[str] | None, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        column_order(sent, kept)
    assert [error.path for error in refused.value.errors] == ["columns"]
    assert told in refused.value.errors[0].message


def test_many_names_are_cut() -> None:
    with pytest.raises(InvalidRequest) as refused:
        column_order(["a"], ["a", *(str(number) for number in range(50))])
    assert "'0', '1'" in refused.value.errors[0].message and "and 40 more" in refused.value.errors[0].message


def test_who_names_none_is_taken_by_place() -> None:
    assert column_order(None, KEPT) is None and column_order(None, None) is None


def test_rows_have_a_cell_for_each_column() -> None:
    wrong = list(misshapen([[1.0, 2.0], [1.0], "text"], 2, "inputs.{}"))
    assert [error.path for error in wrong] == ["inputs.1", "inputs.2"]
    assert wrong[0].message == "expected a list of 2 cells, one for each column, got 1"
