"""Texts as token ids: what is cut says so, hostile texts do no harm, and pieces by length hold every row once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inputs.text import END, STEP, InvalidText, TextInput

TEXT = TextInput()
SHORT = TextInput(max_tokens=8)


def test_a_text_becomes_ids_and_padding() -> None:
    row = TEXT("Book me a flight to Boston.")
    assert (row.shape, row.dtype) == (TEXT.shape, np.dtype(TEXT.dtype))
    assert TEXT.tokenizer.decode(row.tolist()) == "book me a flight to boston."
    assert row[9:].tolist() == [0] * 55
    assert row[8] == END


@pytest.mark.parametrize(
    ("text", "is_cut"),
    [("one two three four five six", False), ("one two three four five six seven", True), ("x" * 5000, True)],
)
def test_what_was_cut_is_known_from_its_row(text: str, is_cut: bool) -> None:
    rows = np.stack([SHORT(text), SHORT("short")])
    assert SHORT.truncated(rows).tolist() == [is_cut, False]


def test_all_that_is_read_of_a_text_is_bounded() -> None:
    assert TEXT.truncated(TEXT("word" + " " * 10_000_000 + "more")[None])


def test_blanks_around_a_text_are_nothing() -> None:
    assert np.array_equal(TEXT(" \n" * 20_000 + "one two" + "\t" * 20_000), TEXT("one two"))


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b"])
def test_an_empty_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidText, match="empty"):
        TEXT(text)


@given(st.text(st.characters(), min_size=1, max_size=300))
def test_any_text_becomes_ids_or_is_refused(text: str) -> None:
    try:
        row = SHORT(text)
    except InvalidText:
        return
    assert ((row >= 0) & (row < SHORT.num_ids)).all()
    assert row[0] and row[1]


def test_signs_of_the_tokenizer_are_words_like_others() -> None:
    assert TEXT.truncated(TEXT("[SEP] " * 80)[None])
    assert END not in TEXT("[SEP] [PAD]")[1:5]


def test_lone_surrogates_are_read() -> None:
    assert (TEXT("caf\ud800 au lait") == TEXT("caf? au lait")).all()


@given(st.lists(st.integers(0, 8), min_size=1, max_size=40), st.integers(1, 30), st.booleans())
def test_pieces_hold_every_row_once_and_cost_no_more_than_they_may(
    lengths: list[int], max_cost: int, mixed: bool
) -> None:
    rows = np.where(np.arange(8) < np.array(lengths)[:, None], 5, 0)
    seen: list[int] = []
    for where, part in SHORT.cut(rows, max_cost, mixed):
        assert part.size <= max_cost or len(part) == 1
        own = [-(-max(lengths[row], 1) // STEP) * STEP for row in where]
        assert mixed or own == [part.shape[1]] * len(part)
        assert (rows[where, : part.shape[1]] == part).all()
        assert not rows[where, part.shape[1] :].any()
        seen += where.tolist()
    assert sorted(seen) == list(range(len(rows)))
