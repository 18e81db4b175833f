import numpy as np
import pytest

from models.inputs.table import MISSING, NUMBER, WORD, InvalidTable, TableInput, width_of


def test_cells_are_numbers_texts_and_holes() -> None:
    row = TableInput(8)([1.5, "red", None, -3])
    assert row.shape == (8, 3) and row.dtype == np.float32
    assert row[:, 0].tolist() == [NUMBER, WORD, MISSING, NUMBER, 0, 0, 0, 0]
    assert row[0, 1] == 1.5 and row[3, 1] == -3
    assert width_of(row[None]).tolist() == [4]


def test_equal_texts_have_equal_codes_and_others_do_not() -> None:
    words = TableInput()(["red", "Red", "red", "", " "])[:5, 1:]
    assert (words[0] == words[2]).all()
    assert len({tuple(word) for word in words.tolist()}) == 4
    assert (words == words.round()).all() and words.max() < 2**24


def test_numbers_keep_more_than_single_precision() -> None:
    stamp = 1_700_000_123.25
    _, first, second = TableInput()([stamp])[0].astype(np.float64)
    assert first + second == stamp


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "1 to 64 cells, got 0"),
        ([0.0] * 65, "1 to 64 cells, got 65"),
        ([1, True], "cell 1 is not a number"),
        ([[1.0]], "cell 0 is not a number"),
        ([float("nan")], "cell 0 is not finite"),
        ([1e39], "cell 0 is not finite"),
        ("red", "a list of numbers, texts and nulls"),
        (3.0, "a list of numbers, texts and nulls"),
    ],
)
def test_what_is_no_row_is_refused(cells: object, message: str) -> None:
    with pytest.raises(InvalidTable, match=message):
        TableInput()(cells)
