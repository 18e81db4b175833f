"""Outages are DatabaseUnavailable and pass; faults of the program are not hidden; no connection is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.waiting import MAX_BUSY_TIME
from sqlalchemy import create_engine, exc, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import DatabaseUnavailable, InvalidRequest
from service.storage import migrate, queries
from service.storage.database import Database
from service.storage.records import NewTask
from tests.conftest import administer
from tests.service.storage.samples import new_task, storing


async def found(database: Database, task: NewTask) -> bool:
    async with database.read() as session:
        return await queries.get_task(session, task.tenant, task.id) is not None


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, busy_timeout_s=0.3, statement_timeout_s=5, pool_size=1)
    yield database
    await database.close()


async def test_concurrent_writes_are_all_kept(database: Database) -> None:
    tasks = [new_task() for _ in range(50)]
    await asyncio.gather(*(database.write(storing(task)) for task in tasks))
    assert all([await found(database, task) for task in tasks])


async def test_the_revision_found_is_the_head(database: Database) -> None:
    assert await database.check() == migrate.head()


async def test_a_lock_of_another_is_an_outage_that_passes(small: Database, database_url: str) -> None:
    engine = create_engine(database_url.replace("+aiosqlite", ""))
    with engine.connect() as other:
        lock = "BEGIN IMMEDIATE" if engine.name == "sqlite" else "LOCK TABLE tasks"
        other.exec_driver_sql(lock)
        start = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as caught:
            await small.write(storing(new_task()))
        assert time.monotonic() - start < 30 and caught.value.retry_after_s
        other.exec_driver_sql("ROLLBACK")
    engine.dispose()
    task = new_task()
    await small.write(storing(task))
    assert await found(small, task)


async def test_no_free_connection_is_an_outage(small: Database) -> None:
    async with small.read() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            await found(small, new_task())
    assert not await found(small, new_task())


async def test_a_cancelled_read_gives_its_connection_back(small: Database) -> None:
    for turns in (*range(20), 0):  # of the event loop, after which its caller leaves
        read = asyncio.create_task(found(small, new_task()))
        time.sleep(2 * MAX_BUSY_TIME)  # psycopg lets others go first where it has kept the event loop busy
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.gather(read, return_exceptions=True)
        assert not await found(small, new_task())


async def test_a_fault_of_the_program_is_not_hidden(small: Database) -> None:
    async def wrong(session: AsyncSession) -> None:
        await session.execute(text("SELEC 1"))

    async def incomplete(session: AsyncSession) -> None:
        await session.execute(text("INSERT INTO tasks (tenant, id) VALUES ('a', 'b')"))

    with pytest.raises((exc.ProgrammingError, exc.OperationalError)):
        await small.write(wrong)
    with pytest.raises(exc.IntegrityError):
        await small.write(incomplete)


async def test_errors_do_not_tell_what_was_stored(small: Database) -> None:
    async def leak(session: AsyncSession) -> None:
        await session.execute(text("INSERT INTO nowhere VALUES (:label)"), {"label": "secret"})

    with pytest.raises(DatabaseUnavailable) as caught:
        await small.write(leak)
    assert "secret" not in str(caught.value) + str(caught.value.__cause__)


async def test_a_database_without_tables(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    assert await database.check() is None
    with pytest.raises(DatabaseUnavailable):
        await database.write(storing(new_task()))
    await database.close()


# aiosqlite does not wait for the thread of a connection that could not be opened
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("url", ["sqlite:///{folder}/none/kshot.db", "postgresql://127.0.0.1:1/kshot"])
async def test_no_database_there(url: str, tmp_path: Path) -> None:
    database = Database(url.format(folder=tmp_path))
    for attempt in (database.check(), database.write(storing(new_task())), found(database, new_task())):
        with pytest.raises(DatabaseUnavailable):
            await attempt
    await database.close()


async def test_a_damaged_file_is_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "kshot.db"
    path.write_bytes(b"not a database" * 1_000)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable):
        await found(database, new_task())
    await database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "postgresql+asyncpg://h/db"])
def test_unknown_kinds_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"file|driver"):
        Database(url)


async def test_sqlite_is_durable_and_readers_only_read(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    async def settings(session: AsyncSession) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [(await session.execute(text(f"PRAGMA {name}"))).scalar_one() for name in names]

    assert await database.write(settings) == ["wal", 2, 1, 5_000]
    async with database.read() as session:
        assert await settings(session) == ["wal", 2, 1, 5_000]
        with pytest.raises(exc.OperationalError, match="readonly"):
            await session.execute(text("DELETE FROM tasks"))
    await database.close()


async def test_the_first_connections_to_a_new_file_do_not_hinder_each_other(tmp_path: Path) -> None:
    async def first(number: int) -> None:
        each = [Database(f"sqlite+aiosqlite:///{tmp_path}/{number}.db") for _ in range(8)]
        assert await asyncio.gather(*(database.check() for database in each)) == [None] * 8
        await asyncio.gather(*(database.close() for database in each))

    for number in range(10):
        await first(number)


async def test_an_open_session_sees_what_is_written_meanwhile(database: Database) -> None:
    task = new_task()
    async with database.read() as session:
        assert await queries.get_task(session, "default", task.id) is None
        stored = await database.write(storing(task))
        assert await queries.get_task(session, "default", task.id) == stored


async def test_connections_that_postgresql_closed_are_replaced(postgresql_url: str, postgresql_server: str) -> None:
    database, task = Database(postgresql_url, pool_size=3), new_task()
    await asyncio.gather(*(found(database, task) for _ in range(3)))
    name = make_url(postgresql_url).database
    administer(postgresql_server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await asyncio.sleep(0.2)
    await database.write(storing(task))
    assert await asyncio.gather(*(found(database, task) for _ in range(3))) == [True] * 3
    await database.close()


async def test_a_slow_statement_is_an_outage(postgresql_url: str) -> None:
    database = Database(postgresql_url, statement_timeout_s=0.2, pool_size=1)

    async def slow(session: AsyncSession) -> None:
        await session.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DatabaseUnavailable):
        await database.write(slow)
    assert not await found(database, new_task())
    await database.close()


async def test_what_postgresql_cannot_keep(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    with pytest.raises(InvalidRequest, match="NUL"):
        await database.write(storing(replace(new_task(), name="a\0b")))
    await database.close()
