"""What a tenant has stored is counted rightly, whichever code wrote it."""

from sqlalchemy import text

from service.storage import changes, usage
from service.storage.database import Database
from service.storage.usage import Usage
from service.tasks.sweeping import MAX_MEASURED, measure_tasks
from tests.service.storage.samples import NOW, new_task, new_version, storing


async def used(database: Database) -> Usage:
    async with database.read() as session:
        return await usage.get_usage(session, "default")


async def stale(database: Database) -> int:
    async with database.read() as session:
        count = text("SELECT COUNT(*) FROM tasks WHERE measured_revision <> revision")
        return int((await session.execute(count)).scalar_one())


async def write_as_before(database: Database, task_id: str) -> None:
    """What code of before sizes does: it moves the task on, and knows of no other column."""
    moved = text("UPDATE tasks SET revision = revision + 1 WHERE id = :id").bindparams(id=task_id)
    gone = text("DELETE FROM examples WHERE task_id = :id AND ordinal = 0").bindparams(id=task_id)
    for statement in (moved, gone):
        await database.write(lambda session, statement=statement: session.execute(statement))  # type: ignore[misc]


async def test_what_code_of_before_wrote_is_counted_and_then_measured(database: Database) -> None:
    tasks = [new_task() for _ in range(3)]
    for task in tasks:
        await database.write(storing(task))
    whole = len(new_version().params) + 2 * len(b"input0") + 2 * len(b"features0")
    assert await used(database) == Usage(3, 6, 3 * whole) and await stale(database) == 0
    await write_as_before(database, tasks[0].id)
    less = Usage(3, 5, 3 * whole - len(b"input0") - len(b"features0"))
    assert await used(database) == less and await stale(database) == 1
    await database.write(lambda session: changes.move_task(session, "default", tasks[0].id, NOW, name="renamed"))
    assert await used(database) == less and await stale(database) == 1  # to rename is not to measure
    await measure_tasks(database)
    assert await used(database) == less and await stale(database) == 0
    await database.write(lambda session: changes.move_task(session, "default", tasks[0].id, NOW, name="again"))
    assert await stale(database) == 0


async def test_tasks_are_measured_some_at_a_time(database: Database) -> None:
    for _ in range(4):
        await database.write(storing(new_task()))
    await database.write(lambda session: session.execute(text("UPDATE tasks SET measured_revision = 0")))
    assert [await database.write(lambda session: usage.measure_stale(session, 3)) for _ in range(3)] == [3, 1, 0]
    assert MAX_MEASURED > 3
