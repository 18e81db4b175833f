"""What is kept of requests that happen once: with their effect or not at all, and for a stated time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import Conflict
from service.once import Once, answer_of, completed, fingerprint, first_answer, insert_once, sweep
from service.schemas import Health
from service.storage import queries, requests
from service.storage.database import Database
from service.storage.tables import Answer, Table, Task
from service.storage.tables import Once as Request
from tests.service.samples import opened
from tests.service.storage.samples import NOW, new_examples, new_task, new_version

TTL = timedelta(hours=1)
ANSWER = answer_of(Health(status="alive"), status=201, revision=3)


async def store(database: Database, once: Once | None) -> str:
    """A task, and the answer that tells of it."""
    task = new_task()

    async def work(session: AsyncSession) -> None:
        await queries.insert_task(session, task, new_version(), new_examples(), NOW)
        await insert_once(session, "default", once, task.id, ANSWER)

    await database.write(work)
    return task.id


async def count(database: Database, table: type[Table]) -> int:
    async with database.read() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


def test_a_fingerprint_is_of_method_target_and_body() -> None:
    asked = [
        ("POST", "/a", b"b"),
        ("PUT", "/a", b"b"),
        ("POST", "/a?c", b"b"),
        ("POST", "/a", b"c"),
        ("POST", "/", b"a"),
    ]
    assert len({fingerprint(*each) for each in asked}) == len(asked)
    assert fingerprint(*asked[0]) == fingerprint("POST", "/a", b"b")


@pytest.mark.parametrize(("adapted", "suspects"), [({}, None), ({"timing": {}}, [])], ids=["told", "adapted"])
def test_an_answer_of_before_suspects_has_those_that_were_told(adapted: dict[str, Any], suspects: object) -> None:
    answer = json.loads(completed(json.dumps({"num_support": 2} | adapted).encode()))
    assert answer["suspects"] == suspects and answer["expected"] is None


async def test_the_effect_goes_with_its_answer(database_url: str) -> None:
    async with opened(database_url) as database:
        once = Once("key", "f")
        assert await first_answer(database, "default", once, TTL) is None
        await store(database, once)
        assert await first_answer(database, "default", once, TTL) == ANSWER
        assert await first_answer(database, "other", once, TTL) is None
        with pytest.raises(Conflict):
            await store(database, once)
        assert await count(database, Task) == 1


async def test_without_a_key_nothing_is_kept(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        await store(database, None)
        assert await count(database, Request) == 0


async def test_deleting_a_task_erases_its_answer(database_url: str) -> None:
    async with opened(database_url) as database:
        task_id = await store(database, Once("key", "f"))
        assert await database.write(lambda session: queries.delete_task(session, "default", task_id))
        assert await count(database, Answer) == 0 and await count(database, Request) == 1


async def test_the_sweep_takes_the_old_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_SWEPT", 2)
    async with opened(database_url) as database:
        for number in range(5):
            await store(database, Once(f"old{number}", "f"))
        border = datetime.now(UTC)
        await store(database, Once("new", "f"))
        assert await database.write(lambda session: requests.delete_requests(session, border)) == 2
        await sweep(database, datetime.now(UTC) - border)
        assert await count(database, Request) == await count(database, Answer) == 1
        assert await first_answer(database, "default", Once("new", "f"), TTL) == ANSWER
        assert await count(database, Task) == 6
