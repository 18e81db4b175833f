"""To readapt is a job where that is preferred or the task is large: over HTTP, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from service.jobs.effects import LeaseLost, perform
from service.jobs.run import Run
from service.storage import claims
from service.storage.tables import JobBody
from service.tracing import Tracing
from tests.service.api.serving import assert_problem, curve
from tests.service.jobs.asking import accepted, ask, get
from tests.service.jobs.test_accepting import FAR, claim
from tests.service.tasks.digests import other_digest
from tests.service.tasks.life import Life, assert_equal
from tests.service.tasks.test_readapting import living

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Old:
    """Tasks on the digest that ships, made before there was a newer one; each test takes its own."""

    digest: str
    tasks: Iterator[str]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a newer digest of `curves`."""
    return other_digest(tmp_path_factory.mktemp("newer"), "curves").parent


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def old(shared_url: str) -> Old:
    async with living(shared_url, None) as life:
        tasks = [await life.create("curves") for _ in range(6)]
        return Old((await life.client.get(tasks[0])).json()["model_digest"], iter(tasks))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def accepting(shared_url: str, newer: Path, old: Old) -> AsyncIterator[Life]:
    """Its jobs wait until a test does them."""
    async with living(shared_url, newer, job_workers=0, job_examples=6) as life:
        yield life


async def asked(life: Life, job: dict[str, Any]) -> list[bytes]:
    """What is kept of the job's request."""
    async with life.service.database.read() as session:
        return list(await session.scalars(select(JobBody.data).where(JobBody.job_id == job["id"])))


async def test_it_moves_the_task_once(accepting: Life, old: Old) -> None:
    task, newest = next(old.tasks), (await accepting.client.get("/v1/models/curves")).json()["digest"]
    job = await accepted(accepting, {}, f"{task}/readapt", **{"Idempotency-Key": "one"})
    assert (job["kind"], job["task"]) == ("readapt", task.rpartition("/")[2])
    assert (job["state"], job["progress"]) == ("queued", {"done": 0, "total": 6})
    again = await ask(accepting, {}, f"{task}/readapt", **{"Idempotency-Key": "one"})
    assert again.json() == job and again.headers["idempotency-replayed"] == "true"
    assert await asked(accepting, job) == [b'{"model_digest":"%s"}' % newest.encode()]  # and none of its inputs

    slow = await claim(accepting)
    database, tasks = accepting.service.database, accepting.service.tasks
    assert await database.write(lambda session: claims.hand_back(session, slow.tenant, slow.id, slow.fence))
    await perform(tasks, await claim(accepting), FAR)
    with pytest.raises(LeaseLost):
        await perform(tasks, slow, FAR)
    over = await get(accepting, job)
    assert (over["state"], over["progress"]) == ("succeeded", {"done": 6, "total": 6})
    assert (over["result"]["version"], over["result"]["model_digest"]) == (2, newest)
    assert [each["origin"] for each in await accepting.versions(task)] == ["readapt", "adapt"]
    assert_equal(await accepting.params(task), await accepting.params(await accepting.create("curves")))


async def test_on_that_digest_already_it_ends_with_the_task_as_it_is(accepting: Life, old: Old) -> None:
    task = next(old.tasks)
    job = await accepted(accepting, {"model_digest": old.digest[:9]}, f"{task}/readapt")
    slow = await claim(accepting)
    cancelled = await accepted(accepting, {"model_digest": old.digest}, f"{task}/readapt")
    await perform(accepting.service.tasks, slow, FAR)
    with pytest.raises(LeaseLost):
        await perform(accepting.service.tasks, slow, FAR)
    over = await get(accepting, job)
    assert (over["state"], over["problem"], over["result"]["version"]) == ("succeeded", None, 1)
    assert (await accepting.client.get(task)).headers["etag"] == '"1"' and len(await asked(accepting, job)) == 1
    await accepting.client.delete(f"/v1/jobs/{cancelled['id']}")
    assert (await accepting.client.delete(task)).status_code == 204
    assert await asked(accepting, job) == [] and (await get(accepting, job))["result"] is None


async def test_the_revision_is_minded_at_once_and_when_its_turn_has_come(accepting: Life, old: Old) -> None:
    task = next(old.tasks)
    refused = await ask(accepting, {}, f"{task}/readapt", **{"If-Match": '"2"'})
    assert_problem(refused, 412, "precondition_failed")
    job = await accepted(accepting, {}, f"{task}/readapt", **{"If-Match": '"1"'})
    assert (await accepting.client.patch(task, json={"name": "moved"})).status_code == 200
    over = await work(accepting, job)
    assert (over["state"], over["problem"]["status"]) == ("failed", 412)
    assert over["problem"]["code"] == "precondition_failed"
    assert (await accepting.client.get(task)).json()["version"] == 1


async def work(life: Life, job: dict[str, Any]) -> dict[str, Any]:
    """The job, which is the only one that waits, when it has been done."""
    service = life.service
    run = Run(await claim(life), service.database, service.tasks, service.settings, service.metrics, Tracing())
    await asyncio.create_task(run.whole())
    return await get(life, job)


async def test_what_is_refused_at_once(accepting: Life, old: Old) -> None:
    task = next(old.tasks)
    unknown = await ask(accepting, {"model_digest": "0" * 64}, f"{task}/readapt")
    assert_problem(unknown, 404, "model_not_found")
    assert_problem(await ask(accepting, {"digest": "0"}, f"{task}/readapt"), 422, "invalid_request")
    assert (await accepting.client.delete(task)).status_code == 204
    assert_problem(await ask(accepting, {}, f"{task}/readapt"), 404, "task_not_found")
    assert (await accepting.client.get("/v1/jobs", params={"state": "queued"})).json()["items"] == []


async def test_a_large_task_is_a_job_in_any_case(accepting: Life, old: Old) -> None:
    task = next(old.tasks)
    assert (await accepting.client.post(f"{task}/readapt", json={"model_digest": old.digest})).status_code == 200
    assert (await accepting.extend(task, *curve(1))).status_code == 201
    answer = await accepting.client.post(f"{task}/readapt")
    assert answer.status_code == 202 and "preference-applied" not in answer.headers
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    over = await work(accepting, answer.json())
    assert (over["state"], over["result"]["version"], over["result"]["num_support"]) == ("succeeded", 3, 7)


async def test_its_task_is_deleted_meanwhile(accepting: Life, old: Old) -> None:
    task = next(old.tasks)
    job = await accepted(accepting, {}, f"{task}/readapt")
    assert (await accepting.client.delete(task)).status_code == 204
    assert await asked(accepting, job) == []
    assert (await work(accepting, job))["problem"]["code"] == "task_not_found"
