"""Versions that move on: what each keeps, what a rollback brings back, what forgetting and age take away."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import changes, history, queries, transfers
from service.storage.database import Database
from service.storage.inserts import insert_examples, insert_version
from service.storage.records import ExampleRecord, NewTask, Wanted
from service.storage.tables import Example, Features, Membership, Params, Version
from tests.service.storage.samples import NOW, new_examples, new_task, new_version, storing

LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def task(database: Database) -> NewTask:
    """With the examples e0 and e1 in its version 1."""
    task = new_task()
    await database.write(storing(task))
    return task


async def extend(session: AsyncSession, task: NewTask, *examples: ExampleRecord) -> int:
    number = await changes.move_task(session, task.tenant, task.id, LATER, is_new_version=True)
    assert number is not None
    keys = {"tenant": task.tenant, "task_id": task.id}
    version = replace(new_version(number, params=b"params%d" % number), origin="extend")
    await insert_version(session, keys, version, LATER)
    await insert_examples(session, keys, version, examples, LATER)
    return number


async def roll_back(session: AsyncSession, task: NewTask, source: int) -> int:
    number = await changes.move_task(session, task.tenant, task.id, LATER, is_new_version=True)
    assert number is not None
    await changes.copy_version(session, task.tenant, task.id, source, number, LATER)
    return number


def example(ordinal: int) -> ExampleRecord:
    return replace(new_examples(1)[0], example_id=f"e{ordinal}", ordinal=ordinal)


async def members(database: Database, task: NewTask, version: int) -> list[str]:
    async with database.read() as session:
        found = await history.list_members(session, task.tenant, task.id, version=version, limit=99, after=-1)
        support = await queries.get_support(session, task.tenant, task.id, version)
    assert [each.example_id for each in support] == [each.example_id for each in found]
    return [each.example_id for each in found]


async def current_params(database: Database, task: NewTask) -> bytes | None:
    async with database.read() as session:
        wanted = [Wanted(task.tenant, task.id, None)]
        return (await queries.fetch_params(session, wanted))[task.tenant, task.id].params


async def count(database: Database, table: type) -> int:
    async with database.read() as session:
        return int((await session.execute(select(func.count()).select_from(table))).scalar_one())


async def test_a_task_moves_only_from_where_it_is_thought_to_be(database: Database, task: NewTask) -> None:
    async def move(**wanted: object) -> int | None:
        return await database.write(
            lambda session: changes.move_task(session, task.tenant, task.id, LATER, **wanted)  # type: ignore[arg-type]
        )

    assert await move(match=frozenset({2, 3}), name="other") is None
    assert await move(match=frozenset()) is None
    assert await move(from_version=2, is_new_version=True) is None
    assert await move(match=frozenset({1, 9}), name="renamed", metadata_={"a": 1}) == 1
    async with database.read() as session:
        found = await queries.get_task(session, task.tenant, task.id)
        assert await queries.get_task(session, "another", task.id) is None
    assert found is not None
    assert (found.name, found.metadata, found.version, found.revision) == ("renamed", {"a": 1}, 1, 2)
    assert (found.created_at, found.updated_at) == (NOW, LATER)
    assert not await database.write(lambda s: queries.delete_task(s, task.tenant, task.id, frozenset({1})))
    assert await database.write(lambda s: queries.delete_task(s, task.tenant, task.id, frozenset({2})))


async def test_a_rollback_brings_back_params_and_members(database: Database, task: NewTask) -> None:
    assert await database.write(lambda session: extend(session, task, example(2))) == 2
    assert await database.write(lambda session: roll_back(session, task, 1)) == 3
    assert await members(database, task, 2) == ["e0", "e1", "e2"]
    assert await members(database, task, 3) == ["e0", "e1"]
    assert await current_params(database, task) == new_version().params
    async with database.read() as session:
        assert await history.next_ordinal(session, task.tenant, task.id) == 3
    await database.write(lambda session: extend(session, task, example(3)))
    await database.write(lambda session: roll_back(session, task, 2))
    await database.write(lambda session: roll_back(session, task, 1))
    await database.write(lambda session: roll_back(session, task, 4))
    await database.write(lambda session: roll_back(session, task, 2))
    expected = ["e0 e1", "e0 e1 e2", "e0 e1", "e0 e1 e3", "e0 e1 e2", "e0 e1", "e0 e1 e3", "e0 e1 e2"]
    assert [" ".join(await members(database, task, number)) for number in range(1, 9)] == expected
    assert await current_params(database, task) == b"params2"
    async with database.read() as session:
        versions = await history.list_versions(session, task.tenant, task.id)
    origins = ["rollback", "rollback", "rollback", "rollback", "extend", "rollback", "extend", "adapt"]
    assert [(each.number, each.origin) for each in versions] == list(zip(range(8, 0, -1), origins, strict=True))


async def test_forgetting_erases_the_params_of_the_versions_that_used_it(database: Database, task: NewTask) -> None:
    await database.write(lambda session: extend(session, task, example(2)))
    await database.write(lambda session: roll_back(session, task, 1))
    other = new_task()
    await database.write(storing(other))
    await database.write(lambda session: changes.forget_example(session, task.tenant, task.id, "e2"))
    async with database.read() as session:
        versions = await history.list_versions(session, task.tenant, task.id)
        assert not await history.has_example(session, task.tenant, task.id, "e2")
        assert await history.has_example(session, task.tenant, task.id, "e1")
    assert [(each.number, each.is_available) for each in versions] == [(3, True), (2, False), (1, True)]
    assert (versions[1].labels, versions[1].support_digest) == (None, "")
    assert versions[2].labels == ["cat", "dog"]
    counts = [await count(database, table) for table in (Version, Params, Example, Features, Membership)]
    assert counts == [4, 3, 4, 4, 4]
    await database.write(lambda session: changes.forget_example(session, task.tenant, task.id, "e0"))
    async with database.read() as session:
        versions = await history.list_versions(session, task.tenant, task.id)
    assert [each.is_available for each in versions] == [False, False, False]
    assert await current_params(database, other) == new_version().params


async def test_old_versions_go_with_what_only_they_used(database: Database, task: NewTask) -> None:
    await database.write(lambda session: extend(session, task, example(2)))
    await database.write(lambda session: roll_back(session, task, 1))
    await database.write(lambda session: extend(session, task, example(3)))
    await database.write(lambda session: changes.prune_versions(session, task.tenant, task.id, 2))
    assert (await count(database, Version), await count(database, Example)) == (3, 4)
    await database.write(lambda session: changes.prune_versions(session, task.tenant, task.id, 3))
    assert [await members(database, task, number) for number in (3, 4)] == [["e0", "e1"], ["e0", "e1", "e3"]]
    assert [await count(database, table) for table in (Version, Params, Example, Features)] == [2, 2, 3, 3]


async def test_tasks_expire_by_when_they_were_last_written(database: Database) -> None:
    tasks = [new_task("a"), new_task("b"), new_task("a")]
    for each in tasks:
        await database.write(storing(each))
    await database.write(lambda session: changes.move_task(session, "b", tasks[1].id, LATER))
    cutoff = NOW + timedelta(seconds=1)
    assert await database.write(lambda session: transfers.delete_expired(session, cutoff, 1)) == 1
    assert await database.write(lambda session: transfers.delete_expired(session, cutoff, 9)) == 1
    assert await database.write(lambda session: transfers.delete_expired(session, cutoff, 9)) == 0
    async with database.read() as session:
        wanted = [(each.tenant, each.id) for each in tasks]
        assert await history.current_versions(session, wanted) == {("b", tasks[1].id): 1}
    assert await count(database, Example) == 2
