"""Statements about keys and requests go by an index as well, on empty tables and on full ones."""

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage import api_keys, requests
from service.storage.database import Database
from service.storage.tables import Answer, ApiKey, Once, Task
from tests.service.storage.samples import NOW
from tests.service.storage.test_plans import assert_keyed, plan

NUM_ROWS = 500


async def fill(session: AsyncSession) -> None:
    """Enough requests that walking through all would be wrong."""
    keys = [{"tenant": "default", "key": f"key{number}"} for number in range(NUM_ROWS)]
    task = {"tenant": "default", "id": "task", "model": "m", "kind": "regression", "version": 1, "revision": 1}
    await session.execute(insert(Task), task | {"metadata_": {}, "created_at": NOW, "updated_at": NOW})
    await session.execute(insert(Once), [each | {"fingerprint": "f", "created_at": NOW} for each in keys])
    answer: dict[str, Any] = {"task_id": "task", "status": 201, "headers": {}, "body": b""}
    await session.execute(insert(Answer), [each | answer for each in keys])


async def assert_indexed(session: AsyncSession) -> None:
    one = requests._REQUEST.where(Once.tenant == "default", Once.key == "key7")
    assert_keyed(await plan(session, one), "requests", "answers")
    assert_keyed(await plan(session, api_keys._KEYS.where(ApiKey.prefix == "0123456789ab")), "api_keys")
    found = await plan(session, requests._oldest(NOW))
    assert "ix_requests_created_at" in found and "Seq Scan" not in found, found


async def test_every_statement_goes_by_an_index(database: Database) -> None:
    async with database.read() as session:
        await assert_indexed(session)
    await database.write(fill)
    async with database.read() as session:
        await assert_indexed(session)
