"""Every statement goes by an index, on both databases."""

import json
import re
from typing import Any

from sqlalchemy import Select, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import history, queries
from service.storage.database import Database
from service.storage.inserts import insert_examples
from service.storage.tables import Params, Task, Version
from tests.service.storage.samples import NOW, new_examples, new_task, new_version

NUM_TASKS = 500


async def fill(session: AsyncSession) -> None:
    """Enough tasks that walking through all would be wrong."""
    tasks = [new_task() for _ in range(NUM_TASKS)]
    task = {"tenant": "default", "model": "glyphs", "name": "digits", "kind": "classification", "version": 1}
    task |= {"revision": 1, "metadata_": {}, "created_at": NOW, "updated_at": NOW}
    version = {"tenant": "default", "number": 1, "model_digest": "d" * 64, "output_dim": 2, "num_support": 2}
    version |= {"support_digest": "s", "dtype": "float32", "libraries": {}, "seed": 0, "created_at": NOW, "labels": []}
    version |= {"generation": 1}
    params = {"tenant": "default", "number": 1, "digest": "", "data": bytes(500)}
    await session.execute(insert(Task), [task | {"id": each.id} for each in tasks])
    await session.execute(insert(Version), [version | {"task_id": each.id} for each in tasks])
    await session.execute(insert(Params), [params | {"task_id": each.id} for each in tasks])
    for each in tasks[:20]:
        keys = {"tenant": "default", "task_id": each.id}
        await insert_examples(session, keys, new_version(), new_examples(20), NOW)


async def plan(session: AsyncSession, statement: Select[*tuple[Any, ...]], **values: object) -> str:
    dialect = session.get_bind().dialect
    compiled = statement.params(values).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if dialect.name == "sqlite" else "EXPLAIN "
    connection = await session.connection()
    rows = await connection.exec_driver_sql(explain + str(compiled).replace("%%", "%"))
    return "\n".join(str(row[-1]) for row in rows)


def assert_keyed(found: str, *tables: str) -> None:
    """Each by its key; PostgreSQL takes another index that holds the id where tables are empty and all cost alike."""
    for table in tables:
        by_id = re.search(rf"Index (Only )?Scan.* using \w+ on {table}\b.*\n +Index Cond: .*\b(\w+_)?id = ", found)
        assert f"sqlite_autoindex_{table}_1 (" in found or f"pk_{table} " in found or by_id, found
        assert "Seq Scan" not in found and f"SCAN {table}" not in found, found


async def assert_indexed(session: AsyncSession) -> None:
    wanted = json.dumps([["default", new_task().id, 1] for _ in range(100)])
    fetch = await plan(session, queries._FETCH, wanted=wanted)
    assert_keyed(fetch, "tasks", "versions", "params")
    task = new_task()
    support = await plan(session, queries._SUPPORT, tenant="default", task_id=task.id, version=1)
    assert_keyed(support, "examples", "versions", "memberships", "features")
    versions = await plan(session, history._VERSIONS.where(Version.task_id == task.id))
    assert_keyed(versions, "versions", "params")
    whole = await plan(session, history._WHOLE.where(Task.tenant == "default", Task.id == task.id))
    assert_keyed(whole, "tasks", "versions", "params")
    of_task = {"tenant": "default", "task_id": task.id}
    members = await plan(session, history._MEMBERS, **of_task, version=1, limit=50, after=-1)
    assert_keyed(members, "examples", "memberships")
    current = await plan(session, history._CURRENT, wanted=json.dumps([["default", task.id]] * 100))
    assert_keyed(current, "tasks")
    retained = await plan(session, history._RETAINED, wanted=wanted)
    assert_keyed(retained, "versions", "params")
    page = queries._TASKS.where(Task.tenant == "default", Task.id < task.id).order_by(Task.id.desc()).limit(20)
    for statement in (page, page.where(Task.name == "digits"), page.where(Task.model == "glyphs")):
        found = await plan(session, statement)
        assert_keyed(found, "versions", "params")
        assert "SCAN tasks" not in found and "TEMP B-TREE" not in found and "Sort" not in found, found


async def test_every_statement_goes_by_an_index(database: Database) -> None:
    async with database.read() as session:
        await assert_indexed(session)
    await database.write(fill)
    async with database.read() as session:
        await assert_indexed(session)
    await database.write(lambda session: session.execute(text("ANALYZE")))
    async with database.read() as session:
        await assert_indexed(session)
