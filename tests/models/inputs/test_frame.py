"""Texts as words with their places: the borders are those of the text as it was sent, whatever it holds."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inputs.frame import ID, FrameInput, Misplaced, tagged, words_of
from models.inputs.text import InvalidText

FRAME = FrameInput()


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in FRAME.borders(FRAME(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Play Adele's Skyfall!", ["Play", "Adele", "'", "s", "Skyfall", "!"]),
        ("  unbelievably\t5pm ", ["unbelievably", "5pm"]),
        ("我要北京", ["我", "要", "北", "京"]),
        ("cafe\u0301 au lait", ["cafe\u0301", "au", "lait"]),
        ("\U0001f3b5Adele please", ["\U0001f3b5Adele", "please"]),
    ],
)
def test_words_lie_where_the_text_has_them(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(st.characters(), min_size=1, max_size=300))
def test_words_of_any_text_are_in_order_and_apart(text: str) -> None:
    try:
        row = FRAME(text)
    except InvalidText:
        return
    borders = FRAME.borders(row)
    assert (row[:, ID] == FRAME.text(text)).all()
    assert all(0 <= start < end <= len(text) for start, end in borders)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(borders))
    assert (row >= 0).all() and (row < FRAME.num_ids).all()


def test_a_slot_is_told_in_words() -> None:
    borders = FRAME.borders(FRAME("Play Adele now"))
    assert words_of(borders, 5, 10) == (1, 2)
    assert words_of(borders, 4, 14) == (1, 3)  # spaces at its ends do no harm
    for start, end, why in ((6, 10, "words do"), (5, 9, "words do"), (4, 5, "no word"), (14, 15, "behind")):
        with pytest.raises(Misplaced, match=why):
            words_of(borders, start, end)


def test_slots_become_tags_and_those_that_misfit_do_not() -> None:
    tags = np.zeros(FRAME.max_words, np.int64)
    tagged(tags, FRAME.borders(FRAME("play the wall by pink floyd")), [(1, 5, 13), (2, 17, 27), (3, 1, 4)])
    assert tags[:6].tolist() == [0, 1, 2, 0, 3, 4]


def test_words_behind_the_last_that_is_read_are_cut() -> None:
    row = FRAME("word " * 90)
    assert len(FRAME.borders(row)) == FRAME.max_words
    assert FRAME.truncated(row[None]).all()


def test_pieces_keep_the_columns_together() -> None:
    rows = np.stack([FRAME("one two three"), FRAME("one")])
    seen: list[int] = []
    for where, part in FRAME.cut(rows, 1000):
        assert (part == rows[where, : part.shape[1]]).all()
        assert not rows[where, part.shape[1] :].any()
        seen += where.tolist()
    assert sorted(seen) == [0, 1]
