"""When the next batch is made ready: late enough for who comes meanwhile, at once for who waits behind another."""

import pytest

from service.engine.room import LEAD_MS, Room
from service.engine.scheduler import Job, Scheduler
from service.engine.turns import Batch, Lane

COST = 10.0


def room_of(lane: Lane) -> Room[str]:
    scheduler: Scheduler[str] = Scheduler(
        max_batch_rows=64, max_batch_cost=40, max_mixed_cost=40, max_waiting_cost=1000, quantum=20
    )
    return Room(lane, scheduler)


def ask(room: Room[str], *tenants: str) -> None:
    for tenant in tenants:
        room.scheduler.add(Job(tenant, "all", 1, COST, 0.0, tenant))


def taken(room: Room[str], now: float) -> tuple[Batch, list[str]] | None:
    found = room.take(now)
    return found and (found[0], sorted(job.payload for job in found[1]))


def running(room: Room[str], *tenants: str) -> Batch:
    """A batch of what these ask, under way since the beginning of time."""
    ask(room, *tenants)
    batch, _ = taken(room, 0.0) or pytest.fail("nothing was made ready")
    room.begin(batch, 0.0)
    return batch


@pytest.mark.parametrize("tenants", ["aa", "abcd"])
def test_who_comes_while_a_short_batch_runs_is_in_the_next(tenants: str) -> None:
    room = room_of("interactive")
    running(room, *tenants)
    end = len(tenants) * COST
    ask(room, tenants[0])
    assert taken(room, end - LEAD_MS - 1) is None
    ask(room, tenants[1])
    assert (taken(room, end - LEAD_MS) or (None, None))[1] == [tenants[0], tenants[1]]


def test_a_batch_that_ends_early_keeps_nobody_waiting() -> None:
    room = room_of("interactive")
    batch = running(room, "a", "a", "a")
    ask(room, "a")
    room.end(batch, 1.0)
    assert taken(room, 1.0)


def test_what_batches_lately_took_says_when_the_next_one_ends() -> None:
    room = room_of("interactive")
    for _ in range(20):
        room.end(running(room, "a"), 3 * COST)
    running(room, "a", "a")
    ask(room, "a")
    assert taken(room, 5 * COST - LEAD_MS) is None
    assert taken(room, 6 * COST - LEAD_MS)


def test_who_waits_behind_another_is_made_ready_at_once() -> None:
    room = room_of("interactive")
    running(room, "a", "a", "a")
    ask(room, "a")
    assert taken(room, 1.0) is None
    ask(room, "b")
    assert (taken(room, 1.0) or (None, []))[1].count("b") == 1


def test_long_work_is_made_ready_at_once() -> None:
    room = room_of("bulk")
    running(room, "a", "a", "a")
    ask(room, "a")
    assert taken(room, 1.0)
