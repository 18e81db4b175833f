"""A row that cannot be read is found by halves, once, and not in each batch."""

from collections.abc import Set

import pytest

from service.engine.apart import Apart
from service.errors import TaskDamaged


class Rows:
    """Reads of which none that has a bad row in it succeeds."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.sizes: list[int] = []

    async def read(self, keys: Set[int]) -> dict[int, int]:
        self.sizes.append(len(keys))
        if self.bad & keys:
            raise TaskDamaged("no JSON")
        return {key: -key for key in keys}


async def test_neighbours_are_read_in_one_go_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    apart, rows, keys = Apart[int](), Rows(3), set(range(8))
    for _ in range(3):
        found = await apart.read(keys, rows.read)
        assert {key for key, each in found.items() if isinstance(each, TaskDamaged)} == {3}
        assert {key: each for key, each in found.items() if key != 3} == {key: -key for key in keys - {3}}
    assert rows.sizes == [8, 4, 4, 2, 2, 1, 1, 7, 1, 7, 1]
    assert len(caplog.records) == 1 and caplog.records[0].exc_info is not None


async def test_what_was_mended_is_found_at_once() -> None:
    apart, rows = Apart[int](), Rows(3)
    await apart.read({3}, rows.read)
    rows.bad.clear()
    assert await apart.read({2, 3}, rows.read) == {2: -2, 3: -3}


async def test_a_fault_of_the_program_is_no_damage() -> None:
    async def read(keys: Set[int]) -> dict[int, int]:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await Apart[int]().read({1, 2}, read)
