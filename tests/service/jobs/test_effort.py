"""High effort over HTTP: always a job, the task of a companion, which stays one whatever is done to it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.models.divided import DIM, both, divided
from tests.service.api.serving import assert_problem, client_of
from tests.service.jobs.asking import accepted, get, until
from tests.service.jobs.test_running import holding
from tests.service.tasks.life import Life

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(shared_url: str) -> AsyncIterator[Life]:
    settings = Settings(database_url=shared_url, threads=1, auth="off")
    plain = divided({}, name="plain")
    models = [*both(), type(plain)("f" * 64, plain.card, plain.inputs, plain.learner)]
    app = create_app(settings, {found.digest: found for found in models})
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Life(client, app.state.service, DIM)


def support(shots: int = 4) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"id": f"{label}{shot}", "input": rng.normal(way, 0.2, DIM).tolist(), "label": label}
        for way, label in enumerate("ab")
        for shot in range(shots)
    ]


async def ended(life: Life, response: httpx.Response) -> dict[str, Any]:
    """The job of an answer, when it is over."""
    assert response.status_code == 202, response.text
    async with life.client.stream("GET", f"{response.headers['Location']}/events") as events:
        async for _ in events.aiter_lines():
            pass
    job: dict[str, Any] = (await life.client.get(response.headers["Location"])).json()
    assert job["state"] == "succeeded", job
    return job


async def test_a_task_of_high_effort_stays_one(life: Life) -> None:
    body = {"model": "small", "effort": "high", "support": support()}
    job = await ended(life, await life.client.post("/v1/tasks", json=body))
    task = f"/v1/tasks/{job['task']}"
    assert job["result"]["model"] == "small-high"
    more = await life.extend(task, {"input": [-3.0] * DIM, "label": "c"}, {"input": [-3.1] * DIM, "label": "c"})
    assert (await ended(life, more))["result"]["labels"] == ["a", "b", "c"]
    assert (await ended(life, await life.client.delete(f"{task}/support/a0")))["result"]["num_support"] == 9
    assert (await ended(life, await life.client.post(f"{task}/readapt")))["kind"] == "readapt"
    asked = await life.client.post(f"{task}/predictions", json={"inputs": [[0.0] * DIM, [-3.0] * DIM]})
    assert [each["label"] for each in asked.json()["predictions"]] == ["a", "c"]
    origins = [version["origin"] for version in await life.versions(task)]
    assert origins == ["forget", "extend", "adapt"]


async def test_the_companion_by_its_own_name_is_a_job_too(life: Life) -> None:
    job = await ended(life, await life.client.post("/v1/tasks", json={"model": "small-high", "support": support()}))
    assert job["result"]["model"] == "small-high"


async def test_fast_effort_is_answered_at_once(life: Life) -> None:
    body = {"model": "small", "effort": "fast", "support": support()}
    made = await life.client.post("/v1/tasks", json=body)
    assert (made.status_code, made.json()["model"]) == (201, "small")


async def test_an_effort_that_a_model_does_not_know_is_refused_with_those_that_do(life: Life) -> None:
    for model, effort, told in (("plain", "high", "know high: small"), ("small-high", "fast", "high effort only")):
        body = {"model": model, "effort": effort, "support": support()}
        problem = assert_problem(await life.client.post("/v1/tasks", json=body), 422, "invalid_request")
        assert [error["path"] for error in problem["errors"]] == ["effort"]
        assert told in problem["errors"][0]["message"]


async def test_the_catalog_tells_who_can_what(life: Life) -> None:
    found = (await life.client.get("/v1/models")).json()["items"]
    assert {model["name"]: model["efforts"] for model in found} == {
        "plain": ["fast"],
        "small": ["fast", "high"],
        "small-high": ["high"],
    }


async def test_two_that_take_long_leave_a_worker_to_others(life: Life) -> None:
    body = {"model": "small-high", "support": support()}
    tasks = [(await ended(life, await life.client.post("/v1/tasks", json=body)))["task"] for _ in range(2)]
    more = [{"input": [-3.0] * DIM, "label": "c"}]
    async with AsyncExitStack() as held:
        for task in tasks:
            await held.enter_async_context(holding(life, task))
        slow = [await accepted(life, {"support": more}, f"/v1/tasks/{task}/support") for task in tasks]
        await until(life, slow[0], "running")
        quick = await accepted(life, {"model": "plain", "support": support()})
        await until(life, quick, "succeeded")
        assert [(await get(life, job))["state"] for job in slow] == ["running", "queued"]
    for job in slow:
        await until(life, job, "succeeded")


async def test_high_effort_takes_fewer_examples(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life.service.settings, "max_high_examples", 7)
    body = {"model": "small", "effort": "high", "support": support()}
    problem = assert_problem(await life.client.post("/v1/tasks", json=body), 422, "limit_exceeded")
    assert problem["errors"] == [{"path": "support", "message": "8 examples; at most 7 are allowed"}]
    assert (await life.client.post("/v1/tasks", json=body | {"effort": "fast"})).status_code == 201
    limits = {each["name"]: each["limits"] for each in (await life.client.get("/v1/models")).json()["items"]}
    assert (limits["small"]["max_examples"], limits["small-high"]["max_examples"]) == (5_000, 7)


async def test_to_forget_what_is_not_there_is_refused_before_there_is_a_job(life: Life) -> None:
    body = {"model": "small-high", "support": support()}
    task = (await ended(life, await life.client.post("/v1/tasks", json=body)))["task"]
    assert_problem(await life.client.delete(f"/v1/tasks/{task}/support/none"), 404, "example_not_found")
