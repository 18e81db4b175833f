"""A row that cannot be read leaves nothing behind on its connection: who reads there next sees what is written."""

import pytest
from sqlalchemy import text

from service.errors import TaskDamaged
from service.storage import queries
from service.storage.database import Database
from tests.service.storage.samples import new_task
from tests.service.storage.test_queries import store


async def listed(database: Database) -> list[str]:
    async with database.read() as session:
        tasks, _ = await queries.list_tasks(session, "default", limit=9, after=None, model=None, name=None)
    return [task.id for task in tasks]


async def test_what_is_written_is_read_after_damage_too(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    damaged, whole = await store(database, new_task()), await store(database, new_task())
    wrong = text("UPDATE tasks SET name = CAST(x'61ff62' AS TEXT) WHERE id = :id")
    await database.write(lambda session: session.execute(wrong, {"id": damaged.id}))
    for _ in range(3):
        with pytest.raises(TaskDamaged):
            async with database.read() as session:
                await queries.get_task(session, "default", damaged.id)
        assert await listed(database) == [whole.id]
    later = await store(database, new_task())
    assert [await listed(database) for _ in range(3)] == [[later.id, whole.id]] * 3
    await database.close()
