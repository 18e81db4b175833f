"""What goes in comes out, by a number of statements that does not grow."""

import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from service.errors import Conflict
from service.storage import changes, history, queries
from service.storage.database import Database
from service.storage.records import NewTask, TaskRecord, Wanted
from service.storage.tables import Table
from tests.service.storage.samples import NOW, new_examples, new_task, new_version


async def store(database: Database, task: NewTask, count: int = 2, features: bool = True) -> TaskRecord:
    version, examples = new_version(num_support=count), new_examples(count, features)
    return await database.write(lambda session: queries.insert_task(session, task, version, examples, NOW))


async def test_a_task_comes_back_as_it_was_stored(database: Database) -> None:
    stored = await store(database, new_task())
    async with database.read() as session:
        assert await queries.get_task(session, "default", stored.id) == stored
    assert stored.created_at == NOW and stored.labels == ["cat", "dog"] and stored.version == stored.revision == 1


async def test_a_task_is_its_tenants_alone(database: Database) -> None:
    stored = await store(database, new_task("a"))
    async with database.read() as session:
        assert await queries.get_task(session, "b", stored.id) is None
        assert await queries.list_tasks(session, "b", limit=9, after=None, model=None, name=None) == ([], None)
        assert await queries.fetch_params(session, [Wanted("b", stored.id, None)]) == {}
        assert await queries.get_support(session, "b", stored.id, 1) == []
    assert not await database.write(lambda session: queries.delete_task(session, "b", stored.id))


async def test_the_same_id_twice_is_a_conflict(database: Database) -> None:
    task = new_task()
    await store(database, task)
    with pytest.raises(Conflict):
        await store(database, task)


@pytest.mark.parametrize("count", [1, 2_000])
@pytest.mark.parametrize(("features", "expected"), [(True, 6), (False, 5)])
async def test_statements_of_an_insert(
    database: Database, statements: list[str], count: int, features: bool, expected: int
) -> None:
    await store(database, new_task(), count, features)
    assert len(statements) == expected


@pytest.mark.slow
async def test_the_largest_support(database: Database) -> None:
    stored = await store(database, new_task(), count=5_000)
    async with database.read() as session:
        support = await queries.get_support(session, "default", stored.id, 1)
    assert [example.example_id for example in support] == [f"e{n}" for n in range(5_000)]


async def test_support_as_it_was_given(database: Database) -> None:
    stored = await store(database, new_task(), count=12)
    async with database.read() as session:
        support = await queries.get_support(session, "default", stored.id, 1)
        assert await queries.get_support(session, "default", stored.id, 2) == []
    given = new_examples(12)
    assert [(e.example_id, e.ordinal, e.label, e.target, e.input, e.features) for e in support] == [
        (e.example_id, e.ordinal, e.label, e.target, e.input, e.features) for e in given
    ]


async def test_regression_targets_and_no_labels(database: Database) -> None:
    version = replace(new_version(), labels=None)
    one, two = new_examples(2, features=False)
    examples = [replace(one, label=None, target=0.1 + 0.2), replace(two, label=None, target=[1e-300, -5.0])]
    task = new_task()
    await database.write(lambda session: queries.insert_task(session, task, version, examples, NOW))
    async with database.read() as session:
        support = await queries.get_support(session, "default", task.id, 1)
        record = await queries.get_task(session, "default", task.id)
    assert [example.target for example in support] == [0.1 + 0.2, [1e-300, -5.0]]
    assert record is not None and record.labels is None


async def test_pages_newest_first(database: Database) -> None:
    ids = [(await store(database, replace(new_task(), id=f"task_{n}", name=f"n{n % 2}"))).id for n in range(5)]
    async with database.read() as session:
        first, last = await queries.list_tasks(session, "default", limit=2, after=None, model=None, name=None)
        rest, end = await queries.list_tasks(session, "default", limit=9, after=last, model=None, name=None)
        odd, _ = await queries.list_tasks(session, "default", limit=9, after=None, model="glyphs", name="n1")
        other, _ = await queries.list_tasks(session, "default", limit=9, after=None, model="curves", name=None)
    assert [record.id for record in first + rest] == ids[::-1] and last == ids[3] and end is None
    assert [record.id for record in odd] == [ids[3], ids[1]] and other == []


async def test_fetch_gives_params_only_where_stale(database: Database, statements: list[str]) -> None:
    fresh, stale, unknown = [await store(database, new_task()) for _ in range(3)]
    wanted = [
        Wanted("default", fresh.id, 1),
        Wanted("default", stale.id, 7),
        Wanted("default", unknown.id, None),
        Wanted("default", "task_gone", 1),
    ]
    statements.clear()
    async with database.read() as session:
        fetched = await queries.fetch_params(session, wanted)
    assert len(statements) == 1 and len(fetched) == 3
    same = fetched["default", fresh.id]
    assert (same.version, same.model_digest, same.params, same.labels) == (1, "d" * 64, None, None)
    for key in (stale.id, unknown.id):
        found = fetched["default", key]
        assert (found.version, found.params, found.labels) == (1, new_version().params, ["cat", "dog"])
        assert found.params_digest == hashlib.sha256(new_version().params).hexdigest()


async def test_versions_are_fetched_as_stored_and_only_for_their_tenant(
    database: Database, statements: list[str]
) -> None:
    one, other = [await store(database, new_task()) for _ in range(2)]
    await database.write(lambda session: changes.forget_example(session, "default", other.id, "e0"))
    asked = [("default", one.id, 1), ("default", one.id, 2), ("default", other.id, 1), ("b", one.id, 1)]
    statements.clear()
    async with database.read() as session:
        fetched = await history.fetch_versions(session, asked)
    assert len(statements) == 1 and list(fetched) == asked[:1]
    found = fetched[asked[0]]
    assert (found.version, found.model_digest, found.labels) == (1, "d" * 64, ["cat", "dog"])
    assert found.params_digest == hashlib.sha256(found.params or b"").hexdigest()


@pytest.mark.parametrize("count", [0, 1, 1_000])
async def test_fetch_is_one_statement_for_any_batch(database: Database, statements: list[str], count: int) -> None:
    async with database.read() as session:
        assert await queries.fetch_params(session, [Wanted("t", f"task_{n}", n) for n in range(count)]) == {}
    assert len(statements) == 1


async def test_delete_leaves_nothing(database: Database, statements: list[str]) -> None:
    stored = await store(database, new_task(), count=300)
    statements.clear()
    assert await database.write(lambda session: queries.delete_task(session, "default", stored.id))
    assert len(statements) == 4
    async with database.read() as session:
        for table in Table.metadata.tables.values():
            assert (await session.execute(select(func.count()).select_from(table))).scalar_one() == 0, table.name
    assert not await database.write(lambda session: queries.delete_task(session, "default", stored.id))
