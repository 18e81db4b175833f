"""Group commit on SQLite: many writes, few commits; what fails, fails alone; nothing is half written."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import DatabaseUnavailable
from service.storage import queries
from service.storage.database import Database
from service.storage.failures import reason
from service.storage.groups import Work
from service.storage.records import TaskRecord
from service.storage.tables import Once
from tests.service.storage.samples import NOW, new_examples, new_task, new_version, storing


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    database = Database(sqlite_url, busy_timeout_s=30)
    yield database
    await database.close()


@pytest.fixture
def commits() -> Iterator[list[object]]:
    seen: list[object] = []

    def note(connection: object) -> None:
        seen.append(connection)

    event.listen(Engine, "commit", note)
    yield seen
    event.remove(Engine, "commit", note)


async def stored(database: Database) -> set[str]:
    async with database.read() as session:
        page, _ = await queries.list_tasks(session, "default", limit=1_000, after=None, model=None, name=None)
        return {record.id for record in page}


async def together(database: Database, *works: Work[object]) -> list[object]:
    return list(await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True))


async def test_many_writes_share_a_commit(database: Database, commits: list[object]) -> None:
    tasks = [new_task() for _ in range(100)]
    await together(database, *map(storing, tasks))
    assert await stored(database) == {task.id for task in tasks}
    assert len(commits) == 1


async def test_a_failing_work_fails_alone(database: Database) -> None:
    tasks = [new_task() for _ in range(3)]

    async def half(session: AsyncSession) -> None:
        await storing(tasks[1])(session)
        raise KeyError("mine")

    results = await together(database, storing(tasks[0]), half, storing(tasks[2]))
    assert [type(result) for result in results] == [TaskRecord, KeyError, TaskRecord]
    assert await stored(database) == {tasks[0].id, tasks[2].id}


async def test_a_work_that_would_be_lost_is_a_fault(database: Database) -> None:
    tasks = [new_task() for _ in range(2)]

    async def adds(session: AsyncSession) -> None:
        await storing(tasks[1])(session)
        session.add(Once(tenant="default", key="k", fingerprint="f", created_at=NOW))

    found = await together(database, storing(tasks[0]), adds)
    assert isinstance(found[1], RuntimeError) and await stored(database) == {tasks[0].id}


async def test_works_see_the_works_before_them(database: Database) -> None:
    task = new_task()
    results = await together(
        database,
        storing(task),
        lambda session: queries.delete_task(session, "default", task.id),
        lambda session: queries.delete_task(session, "default", task.id),
    )
    assert results[1:] == [True, False]


async def test_a_work_may_not_end_the_transaction_of_others(database: Database) -> None:
    tasks = [new_task() for _ in range(2)]

    async def commit(session: AsyncSession) -> None:
        await storing(tasks[1])(session)
        await session.commit()
        raise KeyError("after my commit, which is none of the group's")

    async def fail(session: AsyncSession) -> None:
        await session.execute(text("ROLLBACK"))  # as SQLite does by itself on a full disk

    results = await together(database, storing(tasks[0]), commit, fail)
    assert [type(result) for result in results] == [DatabaseUnavailable] * 3
    assert await stored(database) == set()


async def test_a_work_may_wait_for_nothing_but_statements(database: Database) -> None:
    task = new_task()

    async def waits(session: AsyncSession) -> None:
        await asyncio.sleep(0)  # there is no event loop on SQLite's thread

    results = await together(database, waits, storing(task), waits)
    assert [type(result) for result in results] == [RuntimeError, TaskRecord, RuntimeError]
    assert await stored(database) == {task.id}


async def test_a_failed_commit_fails_all(database: Database) -> None:
    task = new_task()

    async def orphan(session: AsyncSession) -> None:
        await session.execute(text("PRAGMA defer_foreign_keys = ON"))
        await session.execute(text("INSERT INTO params VALUES ('default', 'task_none', 1, '', x'00', NULL)"))

    results = await together(database, storing(task), orphan)
    assert [type(result) for result in results] == [DatabaseUnavailable] * 2
    assert await stored(database) == set()
    await database.write(storing(task))
    assert await stored(database) == {task.id}


async def test_a_full_disk_is_an_outage_and_heals(database: Database) -> None:
    kept, lost = new_task(), new_task()
    await database.write(storing(kept))

    async def limit_pages(session: AsyncSession) -> None:
        await session.execute(text("PRAGMA max_page_count = 1"))  # SQLite takes what it has for the least

    async def lift(session: AsyncSession) -> None:
        await session.execute(text("PRAGMA max_page_count = 1000000"))

    await database.write(limit_pages)
    big = new_version(params=bytes(10**6))
    with pytest.raises(DatabaseUnavailable) as refused:
        await database.write(lambda session: queries.insert_task(session, lost, big, new_examples(), NOW))
    assert reason(refused.value) == "database or disk is full"  # and not that the savepoint went with it
    assert await stored(database) == {kept.id}
    await database.write(lift)
    await database.write(storing(lost))
    assert await stored(database) == {kept.id, lost.id}


async def test_a_caller_that_leaves_disturbs_nobody(database: Database) -> None:
    tasks = [new_task() for _ in range(30)]
    writes = [asyncio.create_task(database.write(storing(task))) for task in tasks]
    await asyncio.sleep(0.001)
    for write in writes[::3]:
        write.cancel()
    results = await asyncio.gather(*writes, return_exceptions=True)
    done = {result.id for result in results if isinstance(result, TaskRecord)}
    assert done >= {task.id for n, task in enumerate(tasks) if n % 3}
    assert await stored(database) >= done


async def test_close_finishes_what_waits(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    tasks = [new_task() for _ in range(20)]
    writes = [asyncio.create_task(database.write(storing(task))) for task in tasks]
    await asyncio.sleep(0)
    await database.close()
    assert all(write.done() and write.exception() is None for write in writes)
    with pytest.raises(DatabaseUnavailable):
        await database.write(storing(new_task()))


async def test_only_so_many_share_a_commit(database: Database, commits: list[object]) -> None:
    async def nothing(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))

    await together(database, *[nothing] * 300)
    assert len(commits) == 3
