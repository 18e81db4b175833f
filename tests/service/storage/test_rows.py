"""Rows that go into SQLite straight are those that go through SQLAlchemy, and so are the faults."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import Conflict
from service.metrics import Metrics
from service.schemas import Slot
from service.storage import inserts, migrate, queries, requests, tables
from service.storage.database import Database
from service.storage.records import Source
from service.storage.requests import StoredAnswer
from service.storage.rows import AT_ONCE, Rows
from tests.service.storage.samples import NOW, new_examples, new_task, new_version, storing

SOURCE = replace(new_task(), id="task_0", prior={"cat": 0.25, "dog": 0.75})
LARGE = replace(new_task(name=None), id="task_2")
TAUGHT = replace(new_task(name=None), id="task_1")
VERSION = replace(
    new_version(), labels=None, output_dim=None, sources=[Source("task_0", 1, 2)], own_params=b"own", preprocessing={}
)
OTHERS = [
    replace(new_examples()[0], ordinal=2, label=["a", "Zoë"], target=None, features=None),
    replace(new_examples()[0], ordinal=3, label=None, target=[0.1, -2.5], role="name"),
    replace(new_examples()[0], ordinal=4, label="cat", target=1.5, slots=[Slot(name="s", start=0, end=2)]),
]
ANSWER = StoredAnswer(201, {"ETag": '"1"'}, b"{}")


async def write_all(session: AsyncSession) -> None:
    """A row of every table into which rows go straight, and of each kind of value."""
    await queries.insert_task(session, SOURCE, new_version(), new_examples(), NOW)
    await queries.insert_task(session, TAUGHT, VERSION, [*new_examples(), *OTHERS], NOW)
    await queries.insert_task(session, LARGE, new_version(), new_examples(AT_ONCE + 3), NOW)
    await requests.insert_request(session, "default", "key", "f" * 64, None, ANSWER, NOW)


async def stored(folder: Path, *, straight: bool) -> dict[str, list[Any]]:
    """What is in the file then, as it lies there."""
    url = f"sqlite+aiosqlite:///{folder}/{straight}.db"
    await asyncio.to_thread(migrate.upgrade, url)

    async def work(session: AsyncSession) -> None:
        assert (inserts.STRAIGHT in session.info) is True
        if not straight:
            del session.info[inserts.STRAIGHT]
        await write_all(session)

    database = Database(url)
    await database.write(work)
    await database.close()
    with sqlite3.connect(str(make_url(url).database)) as read:
        names = [name for (name,) in read.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(read.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


async def test_the_same_rows_as_through_sqlalchemy(tmp_path: Path) -> None:
    through, straight = [await stored(tmp_path, straight=each) for each in (False, True)]
    assert straight == through
    filled = {"tasks", "versions", "params", "own_params", "transfers", "examples", "memberships", "features"}
    assert {name for name, rows in straight.items() if rows} >= filled | {"requests", "answers"}


def test_an_insert_that_says_more_than_its_row_is_not_sent_straight() -> None:
    insert = dialect.insert(tables.Tenant).on_conflict_do_nothing()
    with pytest.raises(AssertionError, match="ON CONFLICT"):
        Rows(dialect.dialect(paramstyle="qmark"))._compile(insert, ("tenant", "train_from_tasks"))


async def test_a_row_that_is_there_is_a_lost_race_of_its_own_work_alone(sqlite_url: str) -> None:
    metrics = Metrics()
    database, task, other = Database(sqlite_url, metrics=metrics), new_task(), new_task()
    works = [storing(task), storing(task), storing(other)]
    results = await asyncio.gather(*map(database.write, works), return_exceptions=True)
    assert isinstance(results[1], Conflict)
    async with database.read() as session:
        page, _ = await queries.list_tasks(session, "default", limit=9, after=None, model=None, name=None)
    await database.close()
    assert {record.id for record in page} == {task.id, other.id}
    inserted = metrics.registry.get_sample_value("kshot_database_statement_seconds_count", {"statement": "insert"})
    assert inserted == 6 + 1 + 6
