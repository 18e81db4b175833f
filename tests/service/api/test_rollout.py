"""While the release before may be at work, what it would not understand has to wait; everything else does not."""

import asyncio
from typing import Any

import httpx
import pytest
from alembic import command

from service.storage import migrate
from service.storage.database import Database
from service.tasks.rollout import tell_of_rollout
from tests.service.api.serving import assert_problem, input_dim, serving, vectors

NEWS: dict[str, Any] = {"transfer": True, "prior": "uniform"}


async def test_a_release_that_is_rolled_out(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.to_thread(command.downgrade, migrate._config(database_url), migrate.expanded())
    async with serving(database_url, "vectors") as client:
        async with asyncio.timeout(60):
            while "a deployment is open" not in caplog.text:
                await asyncio.sleep(0.05)
        assert (await client.get("/readyz")).status_code == 200
        plain = {"model": "vectors", "support": vectors(await input_dim(client))}
        made = await client.post("/v1/tasks", json=plain)
        assert made.status_code == 201
        for answer in await news(client, plain, made.headers["location"]):
            problem = assert_problem(answer, 503, "deployment_unfinished")
            assert "kshot migrate --finish" in problem["detail"] and int(answer.headers["retry-after"]) > 1
        assert (await client.patch(made.headers["location"], json={"prior": None})).status_code == 200
        await asyncio.to_thread(migrate.upgrade, database_url, finish=True)
        for answer in await news(client, plain, made.headers["location"]):
            assert answer.is_success, answer.text
    caplog.clear()
    database = Database(database_url)
    await tell_of_rollout(database)
    await database.close()
    assert "a deployment is open" not in caplog.text


async def news(client: httpx.AsyncClient, plain: dict[str, Any], task: str) -> list[httpx.Response]:
    """All that the release before does not know."""
    later = {"Prefer": "respond-async"}
    made = [await client.post("/v1/tasks", json=plain | {name: value}) for name, value in NEWS.items()]
    jobs = [await client.post("/v1/tasks", json=plain | NEWS, headers=later)]
    return [*made, *jobs, await client.patch(task, json={"prior": "uniform"})]
