"""A version computed from a state that is no longer the current one is not written, but computed again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

import pytest

from service.errors import Conflict, DeadlineExceeded, PreconditionFailed, TaskNotFound
from service.metrics import Metrics
from service.settings import Settings
from service.storage import changes, queries, transfers
from service.storage.database import Database
from service.storage.matching import Match
from service.storage.records import NewTask, Source
from service.tasks.answers import task_of
from service.tasks.retrying import MAX_TRIES
from service.tasks.writing import Change, Make, State, Writing
from tests.service.storage.samples import new_examples, new_task, new_version, storing


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, busy_timeout_s=30, statement_timeout_s=30)
    yield database
    await database.close()


@pytest.fixture
async def task(database: Database) -> NewTask:
    task = replace(new_task(), kind="classification")
    await database.write(storing(task))
    return task


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def writing(database: Database, metrics: Metrics) -> Writing:
    return Writing(database, Settings(), metrics)


async def make(state: State) -> Change:
    """The next version, with one example more."""
    number = state.record.version + 1
    added = replace(new_examples(1)[0], example_id=f"new{state.next_ordinal}", ordinal=state.next_ordinal)
    return Change(new_version(number, num_support=len(state.examples) + 1), [added])


def losing(database: Database, times: int) -> Make:
    """As `make`, but others write first, so many times."""
    left = iter(range(times))

    async def make_late(state: State) -> Change:
        if next(left, None) is not None:
            other = Writing(database, Settings(), Metrics())
            await other.advance(state.record.tenant, state.record.id, make, task_of, deadline=monotonic() + 60)
        return await make(state)

    return make_late


async def advance(writing: Writing, task: NewTask, make: Make, match: Match = None) -> tuple[int, int]:
    made, revision = await writing.advance(task.tenant, task.id, make, task_of, deadline=monotonic() + 60, match=match)
    return made.version, revision


def lost(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("kshot_lost_writes_total")


async def test_a_lost_race_is_run_again(database: Database, writing: Writing, task: NewTask, metrics: Metrics) -> None:
    assert await advance(writing, task, losing(database, 3)) == (5, 5)
    async with database.read() as session:
        support = await queries.get_support(session, task.tenant, task.id, 5)
    assert [each.example_id for each in support] == ["e0", "e1", "new2", "new3", "new4", "new5"]
    assert lost(metrics) == 3


async def test_races_are_not_run_for_ever(
    database: Database, writing: Writing, task: NewTask, metrics: Metrics
) -> None:
    with pytest.raises(Conflict) as refused:
        await advance(writing, task, losing(database, MAX_TRIES))
    assert refused.value.retry_after_s == 1
    assert lost(metrics) == MAX_TRIES


async def test_with_if_match_a_race_is_lost_at_once(database: Database, writing: Writing, task: NewTask) -> None:
    with pytest.raises(PreconditionFailed):
        await advance(writing, task, losing(database, 1), frozenset({1}))
    assert await advance(writing, task, make, frozenset({2})) == (3, 3)


async def test_a_patch_meanwhile_is_no_race_unless_if_match_makes_it_one(
    database: Database, writing: Writing, task: NewTask
) -> None:
    async def rename_first(state: State) -> Change:
        now = datetime.now(UTC)
        await database.write(lambda session: changes.move_task(session, task.tenant, task.id, now, name="x"))
        return await make(state)

    assert await advance(writing, task, rename_first) == (2, 3)
    with pytest.raises(PreconditionFailed):
        await advance(writing, task, rename_first, frozenset({3}))


async def test_a_task_deleted_meanwhile_stays_deleted(database: Database, writing: Writing, task: NewTask) -> None:
    async def delete_first(state: State) -> Change:
        await database.write(lambda session: queries.delete_task(session, task.tenant, task.id))
        return await make(state)

    with pytest.raises(TaskNotFound):
        await advance(writing, task, delete_first)
    async with database.read() as session:
        assert await queries.get_support(session, task.tenant, task.id, 2) == []


async def test_what_was_learned_from_what_is_forgotten_meanwhile_is_computed_again(
    database: Database, writing: Writing, task: NewTask, metrics: Metrics
) -> None:
    other = new_task()
    await database.write(storing(other))

    async def learn_first(state: State) -> Change:
        change = await make(state)
        if lost(metrics):
            return change
        await database.write(lambda session: changes.forget_example(session, other.tenant, other.id, "e0"))
        return replace(change, version=replace(change.version, sources=[Source(other.id, 1, 2)], own_params=b"own"))

    assert await advance(writing, task, learn_first) == (2, 2)
    assert lost(metrics) == 1
    async with database.read() as session:
        assert await transfers.own_params(session, task.tenant, task.id, 2) is None


async def test_writers_of_one_process_take_turns(writing: Writing, task: NewTask, metrics: Metrics) -> None:
    async def slow(state: State) -> Change:
        await asyncio.sleep(0.01)
        return await make(state)

    made = await asyncio.gather(*(advance(writing, task, slow) for _ in range(12)))
    assert sorted(made) == [(number, number) for number in range(2, 14)]
    assert lost(metrics) == 0


async def test_a_turn_that_does_not_come_in_time(writing: Writing, task: NewTask) -> None:
    async def slow(state: State) -> Change:
        await asyncio.sleep(0.5)
        return await make(state)

    first = asyncio.create_task(advance(writing, task, slow))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await writing.advance(task.tenant, task.id, make, task_of, deadline=monotonic() + 0.05)
    assert await first == (2, 2)
    assert await advance(writing, task, make) == (3, 3)
