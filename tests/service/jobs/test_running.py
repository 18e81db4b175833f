"""Jobs that are done: what comes of them, how soon they begin, how they end when they are cut short."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Any

import pytest

from tests.service.api.serving import curve, picture
from tests.service.jobs.asking import TASK, accepted, get, until
from tests.service.tasks.life import Life, assert_equal

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDS = ("succeeded", "failed", "cancelled")


def holding(life: Life, task: str) -> AbstractAsyncContextManager[None]:
    """While it is entered, writers to the task wait for their turn."""
    return life.service.tasks._writing._turn("default", task.rpartition("/")[2], monotonic() + 60)


async def stored(life: Life, task: str) -> dict[str, Any]:
    return dict((await life.client.get(f"/v1/tasks/{task}")).json())


async def test_a_job_makes_what_the_request_would_have_made(working: Life) -> None:
    job = await until(working, await accepted(working, TASK | {"metadata": {"a": [1]}}), *ENDS)
    assert (job["state"], job["problem"], job["progress"]) == ("succeeded", None, {"done": 6, "total": 6})
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    at_once = (await working.client.post("/v1/tasks", json=TASK)).json()
    result = job["result"]
    assert result.keys() == at_once.keys() and result["metadata"] == {"a": [1]}
    kept = await stored(working, job["task"])
    assert kept == {name: result[name] for name in kept}
    one, other = [await working.params(f"/v1/tasks/{task}") for task in (job["task"], at_once["id"])]
    assert_equal(one, other)


async def test_more_support(working: Life) -> None:
    task = await working.create("curves")
    job = await until(working, await accepted(working, {"support": curve(3)}, f"{task}/support"), *ENDS)
    assert job["state"] == "succeeded", job
    assert len(job["result"]["example_ids"]) == 3 and job["result"]["version"] == 2
    assert (await stored(working, job["task"]))["num_support"] == 9


async def test_what_only_decoding_shows(working: Life) -> None:
    support = [{"input": picture(), "label": "a"}, {"input": {"image": "bm90IGFuIGltYWdl"}, "label": "b"}]
    body = {"model": "glyphs", "support": support}
    job = await until(working, await accepted(working, body), *ENDS)
    refused = await working.client.post("/v1/tasks", json=body)
    assert (job["state"], job["problem"], job["result"]) == ("failed", refused.json(), None)
    assert job["problem"]["errors"][0]["path"] == "support.1.input"
    assert (await working.client.get(f"/v1/tasks/{job['task']}")).status_code == 404


async def test_a_revision_that_was_right_when_it_was_accepted(working: Life) -> None:
    task = await working.create("curves")
    async with holding(working, task):
        job = await until(working, await accepted(working, {"support": curve(1)}, f"{task}/support"), "running")
        stale = await accepted(working, {"support": curve(1)}, f"{task}/support", **{"If-Match": '"1"'})
        assert (await working.client.patch(task, json={"name": "moved"})).status_code == 200
    assert (await until(working, job, *ENDS))["state"] == "succeeded"
    assert (await until(working, stale, *ENDS))["problem"]["code"] == "precondition_failed"


async def test_its_task_is_deleted_while_it_runs(working: Life) -> None:
    task = await working.create("curves")
    async with holding(working, task):
        job = await until(working, await accepted(working, {"support": curve(1)}, f"{task}/support"), "running")
        assert (await working.client.delete(task)).status_code == 204
    job = await until(working, job, *ENDS)
    assert (job["state"], job["problem"]["code"], job["problem"]["status"]) == ("failed", "task_not_found", 404)


async def test_cancelled_while_it_runs(working: Life) -> None:
    task = await working.create("curves")
    async with holding(working, task):
        job = await until(working, await accepted(working, {"support": curve(1)}, f"{task}/support"), "running")
        cancelled = await working.client.delete(f"/v1/jobs/{job['id']}")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    async with asyncio.timeout(30):  # the worker is free again
        await until(working, await accepted(working), "succeeded")
    assert (await get(working, job))["state"] == "cancelled" and (await stored(working, job["task"]))["version"] == 1


async def test_a_job_accepted_elsewhere_begins_soon(accepting: Life, working: Life) -> None:
    waits = []
    for life in (working, accepting) * 3:
        started = monotonic()
        job = await accepted(life)
        while (await get(life, job))["state"] == "queued":
            await asyncio.sleep(0.005)
        waits.append(monotonic() - started)
        await until(life, job, "succeeded")
    assert min(waits[::2]) < 2 and min(waits[1::2]) < 2  # docs/jobs.md has the true figures


async def test_events(working: Life) -> None:
    task = await working.create("curves")
    told: list[tuple[str, dict[str, Any]]] = []

    async def follow(job: dict[str, Any]) -> None:
        async with working.client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    told.append((event, json.loads(line.removeprefix("data: "))))

    async with holding(working, task):
        job = await until(working, await accepted(working, {"support": curve(1)}, f"{task}/support"), "running")
        following = asyncio.create_task(follow(job))
        await asyncio.sleep(0.5)
    async with asyncio.timeout(60):  # it ends by itself
        await following
    assert told[-1] == ("state", await get(working, job)) and told[-1][1]["state"] == "succeeded"
    told.clear()
    await follow(job)
    assert [(event, now["state"]) for event, now in told] == [("state", "succeeded")]
    assert working.service.jobs.watching.num_watchers == 0


async def test_a_process_that_stops_hands_its_jobs_back(working: Life) -> None:
    task, app = await working.create("curves"), working.client._transport.app  # type: ignore[attr-defined]
    async with holding(working, task):
        job = await until(working, await accepted(working, {"support": curve(1)}, f"{task}/support"), "running")
        app.state.stopping.begin(unready_s=60, drain_s=60)
        handed_back = await until(working, job, "queued")
        assert handed_back["started_at"] is not None and handed_back["progress"]["done"] == 0
    await asyncio.sleep(0.2)
    assert (await get(working, job))["state"] == "queued" and (await stored(working, job["task"]))["version"] == 1
