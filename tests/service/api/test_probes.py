"""Each part broken for itself: /readyz names it, and nothing else; /livez does not care."""

import asyncio
import socket
import sqlite3
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url

from service.app import create_app
from service.engine.turns import Batch
from service.settings import Settings
from service.storage.migrate import old_revisions
from tests.faults.postgres import Server, behind
from tests.faults.proxy import proxied
from tests.service.api.serving import assert_problem, client_of, serving


async def faults(client: httpx.AsyncClient) -> list[str]:
    """What /readyz says is wrong, while /livez answers."""
    answer = await client.get("/readyz")
    assert (await client.get("/livez")).json() == {"status": "alive"}
    return (
        []
        if answer.status_code == 200
        else [each["path"] for each in assert_problem(answer, 503, "not_ready")["errors"]]
    )


def app_of(url: str, **settings: object) -> FastAPI:
    options = {"database_url": url, "threads": 1, "auth": "off", "only_models": ("vectors",), **settings}
    return create_app(Settings(**options))  # type: ignore[arg-type]


async def test_a_device_that_hangs_is_told_until_it_goes_on(sqlite_url: str) -> None:
    app, is_over = app_of(sqlite_url, request_timeout_s=0.2), threading.Event()

    def hang() -> Iterator[None]:
        is_over.wait()
        yield

    async with app.router.lifespan_context(app), client_of(app) as client:
        assert await faults(client) == []
        app.state.service.engine._device.worker.put(Batch("bulk", {"": 1.0}), hang())
        while await faults(client) == []:
            await asyncio.sleep(0.05)
        assert await faults(client) == ["worker"]
        is_over.set()
        while await faults(client) == ["worker"]:
            await asyncio.sleep(0.05)
        assert await faults(client) == []


async def test_no_models(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off"), {})
    async with app.router.lifespan_context(app), client_of(app) as client:
        assert await faults(client) == ["models"]


async def test_an_old_schema(sqlite_url: str) -> None:
    oldest = sorted(filter(None, old_revisions()))[0]
    with sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [oldest])
    database.close()
    async with serving(sqlite_url, "vectors") as client:
        assert await faults(client) == ["database"]


@pytest.mark.parametrize("max_staleness_s", [0.0, 600.0, 0.001])
async def test_a_database_that_goes_away_leaves_what_serves_from_the_cache_ready(
    postgresql_url: str, postgresql_server: str, max_staleness_s: float
) -> None:
    async with proxied(Server(postgresql_server).dial) as (proxy, port):
        url = make_url(behind(postgresql_url, port)).set(username=make_url(postgresql_url).username)
        app = app_of(url.render_as_string(hide_password=False), max_staleness_s=max_staleness_s)
        async with app.router.lifespan_context(app), client_of(app) as client:
            while (await client.get("/readyz")).json()["status"] != "ready":
                await asyncio.sleep(0.05)
            proxy.refuse()
            if max_staleness_s > 1:
                assert (await client.get("/readyz")).json() == {"status": "degraded"}
                app.state.stopping.begin(unready_s=60, drain_s=60)
                assert await faults(client) == ["service", "database"]
            else:
                while not (found := await faults(client)):  # an answer may take less than a millisecond
                    await asyncio.sleep(0.01)
                assert found == ["database"]
            proxy.mend()


async def test_a_database_that_takes_what_is_sent_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        async with serving(url, "vectors") as client:
            asked = asyncio.create_task(client.get("/readyz"))
            await asyncio.sleep(0.1)
            assert (await client.get("/livez")).status_code == (await client.get("/metrics")).status_code == 200
            assert not asked.done()
            errors = assert_problem(await asked, 503, "not_ready")["errors"]
    assert errors == [{"path": "database", "message": "does not answer"}]
