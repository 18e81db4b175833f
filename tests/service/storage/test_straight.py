"""What SQLite is asked straight is what it is asked through SQLAlchemy, its faults too."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import func, make_url, select

from service.errors import DatabaseUnavailable, TaskDamaged
from service.storage import queries
from service.storage.database import Database
from service.storage.records import Wanted
from service.storage.straight import Straight
from tests.service.storage.samples import new_task, storing


async def stored(database: Database, prior: dict[str, float] | None = None) -> Wanted:
    task = replace(new_task(), prior=prior)
    await database.write(storing(task))
    return Wanted(task.tenant, task.id, None)


async def test_the_same_rows_as_through_a_session(database: Database) -> None:
    first, second = await stored(database), await stored(database, {"a": 0.25, "b": 0.75})
    wanted = [first, Wanted(second.tenant, second.task_id, 1), Wanted("another", first.task_id, None)]
    async with database.read() as session, database.read_bare() as bare:
        expected = await queries.fetch_params(session, wanted)
        both = await asyncio.gather(*(queries.fetch_params(bare, wanted) for _ in range(3)))
    assert both == [expected] * 3
    assert len(expected) == 2 and expected[second.tenant, second.task_id].prior == {"a": 0.25, "b": 0.75}


@pytest.mark.parametrize("value", ["'{'", "3", "CAST(x'7bff7d' AS TEXT)"])
async def test_what_cannot_be_read_is_damaged(sqlite_url: str, value: str) -> None:
    database = Database(sqlite_url)
    wanted = await stored(database)
    with sqlite3.connect(str(make_url(sqlite_url).database)) as other:
        other.execute(f"UPDATE tasks SET prior = {value}")
    with pytest.raises(TaskDamaged):
        async with database.read_bare() as bare:
            await queries.fetch_params(bare, [wanted])
    await database.close()


async def test_what_takes_long_goes_aside(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    wanted = await stored(database)
    async with database.read_bare(aside=True) as aside, database.read_bare() as bare:
        assert isinstance(aside, Straight)
        await queries.fetch_params(aside, [wanted])
        assert aside._driver is not None
        may_end = Event()
        await aside._driver.create_function("waits", 0, lambda: may_end.wait(60))
        slow = asyncio.create_task(aside.execute(select(func.waits()), {}))
        assert len(await queries.fetch_params(bare, [wanted])) == 1 and not slow.done()
        may_end.set()
        await slow
    await database.close()


async def test_a_connection_that_is_gone_is_replaced(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    wanted = await stored(database)
    async with database.read_bare() as bare:
        assert isinstance(bare, Straight)
        await queries.fetch_params(bare, [wanted])
        assert bare._driver is not None
        await bare._driver.close()
        assert len(await queries.fetch_params(bare, [wanted])) == 1
    await database.close()


async def test_no_file_is_an_outage_and_no_fault(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/none/kshot.db")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            async with database.read_bare() as bare:
                await queries.fetch_params(bare, [Wanted("t", "task", None)])
    await database.close()
