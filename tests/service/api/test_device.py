"""The device fails on a request, or altogether: what is answered over HTTP, and what /readyz says of it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.engine import healing
from service.engine.engine import Engine
from service.settings import Settings
from tests.service.api.serving import assert_problem, client_of
from tests.service.engine.learners import CHECKPOINTS, DIM, DIVERGE, MEMORY, POISON


@asynccontextmanager
async def fragile(database_url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Engine]]:
    """A service whose one model fails on marked rows."""
    settings = Settings(database_url=database_url, threads=1, auth="off")
    app = create_app(settings, {"fragile": CHECKPOINTS["fragile"]})
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client, app.state.service.engine


def task(first: float) -> dict[str, Any]:
    """Two examples, of which the first begins with this."""
    rows = [[first, *[0.0] * (DIM - 1)], [0.0] * (DIM - 1) + [1.0]]
    support = [{"input": row, "label": label} for row, label in zip(rows, "ab", strict=True)]
    return {"model": CHECKPOINTS["fragile"].card.name, "support": support}


@pytest.mark.parametrize("mark", [POISON, MEMORY, DIVERGE])
async def test_what_the_device_fails_on_is_refused_alone(database_url: str, mark: float) -> None:
    async with fragile(database_url) as (client, _):
        marks = [1.0, 1.0, mark, 1.0]
        made = await asyncio.gather(*(client.post("/v1/tasks", json=task(each)) for each in marks))
        assert [each.status_code for each in made] == [201, 201, 503, 201]
        assert_problem(made[2], 503, "computation_failed")
        assert len((await client.get("/v1/tasks")).json()["items"]) == 3  # it left nothing
        paths = [f"/v1/tasks/{made[place].json()['id']}/predictions" for place in (0, 1, 3)]
        inputs = [[1.0, 0.0, 0.0], [mark, 0.0, 0.0], [1.0, 0.0, 0.0]]
        if mark != DIVERGE:  # which only adapting does
            asked = (client.post(path, json={"inputs": [row]}) for path, row in zip(paths, inputs, strict=True))
            answers = await asyncio.gather(*asked)
            assert [each.status_code for each in answers] == [200, 503, 200]
            assert_problem(answers[1], 503, "computation_failed")
        assert (await client.get("/readyz")).json()["status"] == "ready"


async def test_a_device_that_does_not_heal_is_not_ready_until_it_does(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("injected: the device is gone")

    monkeypatch.setattr(healing, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    async with fragile(sqlite_url) as (client, engine):
        path = f"/v1/tasks/{(await client.post('/v1/tasks', json=task(1.0))).json()['id']}"
        with monkeypatch.context() as patched:
            patched.setattr(engine._compute, "prove", broken)
            assert_problem(await client.post("/v1/tasks", json=task(MEMORY)), 503, "not_ready")
            unready = assert_problem(await client.get("/readyz"), 503, "not_ready")
            assert [each["path"] for each in unready["errors"]] == ["worker"]
            refused = await client.post(f"{path}/predictions", json={"inputs": [[1.0, 0.0, 0.0]]})
            assert_problem(refused, 503, "not_ready")
            assert refused.headers["retry-after"]
            assert (await client.get(path)).status_code == (await client.get("/livez")).status_code == 200
        async with asyncio.timeout(60):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
        answer = await client.post(f"{path}/predictions", json={"inputs": [[1.0, 0.0, 0.0]]})
        assert answer.json()["predictions"][0]["label"] == "a"
