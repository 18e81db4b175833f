"""Of a whole day, with all that may go wrong, the log tells who, which and how long; never what was sent."""

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from service.app import create_app
from service.keys import Token
from service.logs import JsonLines
from service.settings import Settings
from tests.service.api.serving import client_of, curve, serving, vectors
from tests.service.samples import make_key

DIM = 64
WORD, NUMBER = "hunter2-Zq", 0.8371946
ROW = [NUMBER, *[0.5] * (DIM - 1)]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, as the service writes it."""
    formatter = caplog.handler.formatter
    caplog.set_level(logging.DEBUG, "service")
    caplog.handler.setFormatter(JsonLines())
    yield lambda: [json.loads(line) for line in caplog.text.splitlines()]
    caplog.handler.setFormatter(formatter)


def forms(secret: str) -> Iterator[str]:
    """A text as it may be written: as it is, and the middle of it in base64, wherever that begins."""
    yield secret
    for shift in range(3):
        yield base64.b64encode(b"." * shift + secret.encode()).decode()[4:-4]


async def day(client: httpx.AsyncClient) -> str:
    """A task through everything, right and wrong; its id."""
    support = [*vectors(DIM), {"input": ROW, "label": WORD, "id": WORD}]
    body = {"model": "vectors", "support": support, "name": WORD, "metadata": {WORD: WORD}}
    headers = {"Idempotency-Key": WORD}
    made = await client.post("/v1/tasks", json=body, headers=headers)
    task = f"/v1/tasks/{made.json()['id']}"
    answers = [
        made,
        await client.post("/v1/tasks", json=body | {"name": None}, headers=headers),
        await client.post(f"{task}/predictions", json={"inputs": [ROW]}),
        await client.post(f"{task}/predictions", json={"inputs": [[WORD], WORD, {WORD: 1}]}),
        await client.post(f"{task}/predictions", content=f'{{"inputs": [{WORD}'.encode()),
        await client.post(f"{task}/evaluations", json={"examples": [{"input": ROW, "label": WORD}]}),
        await client.post(f"{task}/support", json={"support": [{"input": ROW, "label": WORD, "id": WORD}]}),
        await client.delete(f"{task}/support/{WORD}"),
        await client.delete(f"{task}/support/{WORD}-no"),
        await client.post(f"{task}/rollback", json={"version": 99}, headers={"If-Match": f'"{WORD}"'}),
        await client.get(f"/v1/tasks/{WORD}"),
        await client.get(f"/{WORD}?{WORD}={WORD}"),
        await client.request(WORD.upper(), "/v1/tasks"),
        await client.post("/v1/tasks", json=body | {"model": WORD}),
        await client.post("/v1/tasks/import", content=WORD.encode() * 9),
        await client.get("/v1/tasks", headers={"Authorization": f"Bearer kshot_{WORD}_{WORD}"}),
    ]
    assert [answer.status_code for answer in answers[:3]] == [201, 422, 200]
    job = (await client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"})).headers["location"]
    while (await client.get(job)).json()["state"] != "succeeded":
        await asyncio.sleep(0.05)
    return str(made.json()["id"])


def damage(url: str) -> Engine:
    """A database that breaks the rules of its readers and writers, so that they raise what quotes its rows."""
    engine = create_engine(url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        connection.execute(text("UPDATE tasks SET kind = :kind"), {"kind": WORD})
        connection.execute(text("UPDATE examples SET input = substr(input, 1, 7)"))
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE tasks ADD CONSTRAINT no CHECK (name IS NULL) NOT VALID"))
    return engine


async def after_damage(client: httpx.AsyncClient, task: str) -> None:
    support = [{"input": ROW, "label": WORD}]
    client.headers["X-Request-ID"] = "damaged"
    await client.get(f"/v1/tasks/{task}")
    await client.get("/v1/tasks")
    await client.get(f"/v1/tasks/{task}/export")
    await client.post(f"/v1/tasks/{task}/support", json={"support": support})
    await client.post("/v1/tasks", json={"model": "vectors", "support": [*vectors(DIM), *support], "name": WORD})


async def test_nothing_that_was_sent_is_logged(
    database_url: str, lines: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    token: Token = await make_key(database_url, "adapt", "predict", tenant="acme")
    async with serving(database_url, "vectors", auth="on") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        task = await day(client)
        damage(database_url).dispose()
        await after_damage(client, task)
        metrics = (await client.get("/metrics")).text
    told = lines()
    if "postgresql" in database_url:  # its own rule is broken; SQLite's rows are told as damaged, which is no exception
        assert any("exception" in line and line["request_id"] == "damaged" for line in told)
    for secret in (*forms(WORD), *forms(str(NUMBER)), *forms(token.secret)):
        assert secret not in caplog.text and secret not in metrics
    predicted = [line for line in told if line.get("route", "").endswith("/predictions") and line["status"] == 200]
    assert len(predicted) == 1
    assert predicted[0].items() >= {"tenant": "acme", "task": task, "level": "info", "method": "POST"}.items()
    assert predicted[0]["model"].startswith("vectors@") and predicted[0]["ms"] > 0 and predicted[0]["request_id"]
    done = [line for line in told if line["message"] == "job"]
    assert len(done) == 1 and done[0].items() >= {"tenant": "acme", "kind": "adapt", "state": "succeeded"}.items()
    assert done[0]["task"].startswith("task_") and done[0]["request_id"].startswith("job_")


async def test_one_line_a_request(sqlite_url: str, lines: Callable[[], list[dict[str, Any]]]) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off"), {})
    async with app.router.lifespan_context(app), client_of(app) as client:
        for number in range(5):
            await client.get("/v1/tasks", headers={"X-Request-ID": f"number-{number}"})
    told = [line["request_id"] for line in lines() if line["message"] == "request"]
    assert told == [f"number-{number}" for number in range(5)]


async def test_a_line_is_about_its_own_request(database_url: str, lines: Callable[[], list[dict[str, Any]]]) -> None:
    async with serving(database_url, "vectors", "curves") as client:
        bodies = [{"model": "vectors", "support": vectors(DIM)}, {"model": "curves", "support": curve()}] * 4
        made = await asyncio.gather(*(client.post("/v1/tasks", json=body) for body in bodies))
    told = {line["request_id"]: line for line in lines() if line["message"] == "request" and line["method"] == "POST"}
    for answer in made:
        line, task = told[answer.headers["x-request-id"]], answer.json()
        assert (line["task"], line["model"].partition("@")[0]) == (task["id"], task["model"])
