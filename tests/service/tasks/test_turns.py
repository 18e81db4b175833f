"""Turns in threads: in a circle of tenants, never heavier than allowed, and left when nobody waits any more."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from service.errors import DeadlineExceeded
from service.tasks.turns import Turns

LIMIT = 100


class Watched:
    """Turns whose work waits until it may end; what began, and the most weight that was under way at once."""

    def __init__(self, num_threads: int) -> None:
        self.turns = Turns(num_threads, LIMIT, "test")
        self.began: list[str] = []
        self.heaviest = self._weight = 0
        self.may_end = threading.Semaphore(0)
        self._lock = threading.Lock()

    def work(self, name: str, weight: int) -> Callable[[], str]:
        def work() -> str:
            with self._lock:
                self.began.append(name)
                self._weight += weight
                self.heaviest = max(self.heaviest, self._weight)
            self.may_end.acquire(timeout=30)
            with self._lock:
                self._weight -= weight
            return name

        return work

    def ask(self, tenant: str, name: str, weight: int = 0, deadline: float | None = None) -> "asyncio.Task[str]":
        work = self.turns.do(tenant, self.work(name, weight), weight=weight, deadline=deadline)
        return asyncio.create_task(work, name=name)

    async def until_began(self, count: int) -> list[str]:
        while len(self.began) < count:
            await asyncio.sleep(0.001)
        return self.began


@pytest.fixture
def one() -> Watched:
    return Watched(1)


async def test_tenants_have_turns_in_a_circle(one: Watched) -> None:
    tasks = [one.ask(name[0], name) for name in ("a1", "a2", "a3", "a4", "b1", "c1", "c2")]
    await one.until_began(1)
    one.may_end.release(len(tasks))
    assert await asyncio.gather(*tasks) == ["a1", "a2", "a3", "a4", "b1", "c1", "c2"]
    assert one.began == ["a1", "b1", "c1", "a2", "c2", "a3", "a4"] or one.began[1:4] == ["a2", "b1", "c1"]
    assert one.began.index("b1") <= 2  # whatever a wants


async def test_no_more_weight_is_under_way_than_allowed() -> None:
    three = Watched(3)
    tasks = [three.ask(str(place % 4), str(place), 40) for place in range(9)]
    for count in range(1, 10):
        await three.until_began(min(9, count + 1))
        assert len(three.began) <= count + 1  # two at once, of the three that threads are free for
        three.may_end.release()
    await asyncio.gather(*tasks)
    assert three.heaviest == 80


async def test_what_is_too_heavy_goes_alone_and_is_not_passed_for_ever() -> None:
    two = Watched(2)
    tasks = [two.ask("a", "light", 1), two.ask("b", "heavy", 1_000), two.ask("a", "later", 1)]
    assert await two.until_began(1) == ["light"]
    two.may_end.release()
    assert await two.until_began(2) == ["light", "heavy"]
    two.may_end.release(2)
    await asyncio.gather(*tasks)
    assert (two.began[-1], two.heaviest) == ("later", 1_000)


async def test_who_left_or_came_too_late_has_no_turn(one: Watched) -> None:
    first, gone = one.ask("a", "first"), one.ask("b", "gone")
    late, last = one.ask("c", "late", deadline=time.monotonic() + 0.01), one.ask("d", "last")
    await one.until_began(1)
    gone.cancel()
    with pytest.raises(DeadlineExceeded):
        await late
    one.may_end.release(2)
    assert (await first, await last) == ("first", "last")
    assert one.began == ["first", "last"]


async def test_what_work_raises_is_raised_and_the_next_goes_on(one: Watched) -> None:
    def fails() -> None:
        raise ValueError("no")

    one.may_end.release()
    with pytest.raises(ValueError, match="no"):
        await one.turns.do("a", fails)
    assert await one.ask("a", "next") == "next"


async def test_closing_leaves_nobody_waiting(one: Watched) -> None:
    under_way, waits = one.ask("a", "under way"), one.ask("a", "waits")
    await one.until_began(1)
    one.turns.close()
    with pytest.raises(asyncio.CancelledError):
        await waits
    one.may_end.release()
    assert await under_way == "under way"
