"""Who is waited for before a batch is made, turn by turn of the event loop, without a device."""

import asyncio
from typing import Any

import pytest

from service.engine.engine import MAX_SETTLED, Engine
from service.engine.scheduler import Job
from service.metrics import Metrics
from service.settings import Settings
from tests.service.engine.learners import CHECKPOINTS, Store


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """One that was not started, whose batches no time ends: a machine may be busy."""
    for bound in ("GATHERED_MS", "GATHERING_MS"):
        monkeypatch.setattr(f"service.engine.engine.{bound}", 10_000.0)
    store = Store()
    return Engine(CHECKPOINTS, store.fetch, store.fetch_versions, Settings(), Metrics())


def ask(engine: Engine) -> None:
    job: Job[Any] = Job("t", "all", 1, 0.1, 0.0, None)
    engine._queues["interactive"].scheduler.add(job)
    engine._open.add(asyncio.get_running_loop().create_future())


async def batch_of(engine: Engine, *asked: int, is_settling_until: int = 0) -> int:
    """How many are in the batch that is made if so many ask in each turn of the loop, from the feeder's first on."""
    engine._is_settling, left = is_settling_until > 0, list(asked)
    for _ in range(left.pop(0)):
        ask(engine)
    gathering = asyncio.ensure_future(engine._gathered(engine._queues["interactive"]))
    for turn in range(1, 1 + max(len(left), is_settling_until)):
        await asyncio.sleep(0)
        for _ in range(left.pop(0) if left else 0):
            ask(engine)
        engine._is_settling = turn < is_settling_until
    taken = await gathering
    return 0 if taken is None else len(taken[1])


async def test_a_lone_request_behind_a_lone_one_waits_for_none(engine: Engine) -> None:
    assert await batch_of(engine, 1, 1) == 1


async def test_a_lone_request_behind_several_waits_for_others(engine: Engine) -> None:
    engine._queues["interactive"].had_several = True
    assert await batch_of(engine, 1, 1, 1) == 3


async def test_of_several_all_wait_for_others_until_a_turn_brings_nobody(engine: Engine) -> None:
    assert await batch_of(engine, 2, 1, 1, 0, 1) == 4


async def test_while_answers_are_handed_over_turns_may_bring_nobody(engine: Engine) -> None:
    assert await batch_of(engine, 2, 0, 0, 1, is_settling_until=4) == 3


async def test_nobody_waits_for_answers_if_nothing_waits(engine: Engine) -> None:
    engine._queues["interactive"].had_several = engine._is_settling = True
    async with asyncio.timeout(5):
        assert await engine._gathered(engine._queues["interactive"]) is None


async def test_a_full_room_is_found_full_in_a_turn_and_forgets_nothing(engine: Engine) -> None:
    queue = engine._queues["interactive"]
    assert await batch_of(engine, 2) == 2 and queue.had_several
    assert await batch_of(engine, 1, 0, 1) == 0 and queue.had_several  # of a batch that is ready, none has begun
    queue.room.begin(queue.room._ready[0], 0.0)
    assert await batch_of(engine, 0) == 2


@pytest.mark.parametrize("num", [MAX_SETTLED, 3 * MAX_SETTLED + 1])
async def test_answers_are_handed_over_a_few_a_turn(engine: Engine, num: int) -> None:
    class Settled:
        work, settled_in = None, -1

        def settle(self, turn: int) -> None:
            self.settled_in = turn

    engine._loop, asks = asyncio.get_running_loop(), [Settled() for _ in range(num)]
    seen: list[int] = []
    engine._settle([(each, 0) for each in asks])  # type: ignore[misc]
    while engine._is_settling and len(seen) < num:
        seen.append(sum(each.settled_in == 0 for each in asks))
        await asyncio.sleep(0)
    assert seen == [MAX_SETTLED * turn for turn in range(1, 1 + (num - 1) // MAX_SETTLED)]
    assert all(each.settled_in == 0 for each in asks)
