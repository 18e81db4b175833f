import time

import pytest

from service.ids import is_id, new_id, new_ids


def test_ids_sort_by_time() -> None:
    made = []
    for _ in range(20):
        made.append(new_id("task"))
        time.sleep(0.0015)
    assert made == sorted(made)


def test_ids_differ() -> None:
    assert len({new_id("task") for _ in range(10_000)}) == 10_000
    assert len({*new_ids(["example"] * 10_000)}) == 10_000


def test_each_has_its_prefix() -> None:
    made = new_ids(["example", "name", "example"])
    assert [is_id(each, prefix) for each, prefix in zip(made, ("example", "name", "example"), strict=True)] == [
        True
    ] * 3
    assert new_ids([]) == []


def test_an_id_is_recognised() -> None:
    assert is_id(new_id("task"), "task") and not is_id(new_id("job"), "task")


@pytest.mark.parametrize("text", ["", "task", "task_", "task_1", "task_" + "U" * 26, "task_" + "é" * 26, "\0"])
def test_other_text_is_no_id(text: str) -> None:
    assert not is_id(text, "task")
