import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.codec import classifications, read_cursor, read_ordinal, regressions, write_cursor
from service.errors import InvalidRequest
from service.ids import new_id
from service.schemas import Classification, Regression


def test_the_most_probable_label_comes_first() -> None:
    answers = classifications(["a", "b", "c"], np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], np.float32), None)
    assert [answer.label for answer in answers] == ["b", "a"]
    assert list(answers[0].scores) == ["b", "c", "a"]
    assert answers[0].scores["b"] == 0.5
    assert [Classification.model_validate(answer.model_dump()) for answer in answers] == answers


@pytest.mark.parametrize(("top", "kept"), [(1, ["b"]), (2, ["b", "c"]), (9, ["b", "c", "a"])])
def test_top_keeps_only_the_best(top: int, kept: list[str]) -> None:
    [answer] = classifications(["a", "b", "c"], np.array([[0.2, 0.5, 0.3]], np.float32), top)
    assert list(answer.scores) == kept


def test_numbers_answer_numbers_and_lists_answer_lists() -> None:
    mean, std = np.array([[1.0], [2.0]]), np.array([[0.5], [0.25]])
    assert regressions(mean, std, scalar=True)[1] == Regression(mean=2.0, std=0.25)
    assert regressions(mean, std, scalar=False)[1] == Regression(mean=[2.0], std=[0.25])


def test_a_cursor_is_read_as_it_was_written() -> None:
    last_id = new_id("task")
    assert read_cursor(write_cursor(last_id)) == last_id


@given(st.text())
def test_another_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_cursor(cursor)
    assert caught.value.errors[0].path == "query.cursor"


@given(st.integers(0, 10**9 - 1))
def test_an_ordinal_is_read_as_it_was_written(ordinal: int) -> None:
    assert read_ordinal(write_cursor(str(ordinal))) == ordinal


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "10000000000", "task_01M817AF7N6PC5SYBFGGRDHZ74"])
def test_what_is_no_ordinal_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        read_ordinal(write_cursor(text))
