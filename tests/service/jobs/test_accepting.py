"""What becomes a job, what is refused at once, and what is known of a job that waits."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from service.jobs.effects import EFFECTS, LeaseLost, perform
from service.storage import claims, jobs
from service.storage.claims import ClaimedJob
from service.storage.tables import JobBody
from tests.service.api.serving import assert_problem, curve
from tests.service.jobs.asking import ASYNC, TASK, accepted, ask, get
from tests.service.tasks.life import Life

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAR = 1e9


@pytest.fixture(autouse=True)
async def no_leftovers(accepting: Life) -> None:
    """Each test begins with no job waiting."""
    for job in (await accepting.client.get("/v1/jobs", params={"state": "queued", "limit": 500})).json()["items"]:
        assert (await accepting.client.delete(f"/v1/jobs/{job['id']}")).status_code == 200


async def claim(life: Life) -> ClaimedJob:
    now = datetime.now(UTC)
    database = life.service.database
    claimed = await database.write(lambda session: claims.claim_job(session, list(EFFECTS), 30.0, now))
    assert claimed is not None
    return claimed


async def num_bodies(life: Life, job: str) -> int:
    async with life.service.database.read() as session:
        counted = select(func.count()).select_from(JobBody).where(JobBody.job_id == job)
        return (await session.execute(counted)).scalar_one()


async def test_the_answer_that_accepts(accepting: Life) -> None:
    answer = await ask(accepting)
    job = answer.json()
    assert answer.status_code == 202 and answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (answer.headers["preference-applied"], answer.headers["retry-after"]) == ("respond-async", "1")
    assert (job["state"], job["kind"], job["progress"]) == ("queued", "adapt", {"done": 0, "total": 6})
    assert job["result"] is job["problem"] is job["started_at"] is job["finished_at"] is None
    found = await accepting.client.get(answer.headers["location"])
    assert found.json() == job and found.headers["retry-after"] == "1"
    missing = await accepting.client.get(f"/v1/tasks/{job['task']}")
    assert_problem(missing, 404, "task_not_found")


@pytest.mark.parametrize("prefer", ["wait=10", "return=minimal", "respond-asynchronously"])
async def test_other_preferences_are_ignored(accepting: Life, prefer: str) -> None:
    assert (await accepting.client.post("/v1/tasks", json=TASK, headers={"Prefer": prefer})).status_code == 201


@pytest.mark.parametrize("prefer", ["wait=1, Respond-Async", "respond-async; priority=5"])
async def test_ways_to_say_so(accepting: Life, prefer: str) -> None:
    assert (await accepting.client.post("/v1/tasks", json=TASK, headers={"Prefer": prefer})).status_code == 202


async def test_much_work_is_a_job_in_any_case(accepting: Life) -> None:
    answer = await accepting.client.post("/v1/tasks", json=TASK | {"support": curve(21)})
    assert answer.status_code == 202 and "preference-applied" not in answer.headers
    task = await accepting.create("curves")
    assert (await accepting.extend(task, *curve(21))).status_code == 202
    assert (await accepting.extend(task, *curve(20))).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "curves", "support": []}, 422, "invalid_request"),
        ({"model": "none", "support": curve()}, 404, "model_not_found"),
        ({"model": "curves", "support": [{"input": [1.0], "label": "a"}]}, 422, "invalid_request"),
        ({"model": "curves", "support": curve(5_001)}, 422, "limit_exceeded"),
    ],
)
async def test_what_is_refused_at_once(accepting: Life, body: object, status: int, code: str) -> None:
    assert_problem(await ask(accepting, body), status, code)
    assert (await accepting.client.get("/v1/jobs", params={"state": "queued"})).json()["items"] == []


async def test_more_support_for_what_is_not_there(accepting: Life) -> None:
    task = await accepting.create("curves")
    more = {"support": curve()}
    for match, status in (('"1"', 202), ('"2"', 412)):
        assert (await ask(accepting, more, f"{task}/support", **{"If-Match": match})).status_code == status
    await accepting.client.delete(task)
    assert_problem(await ask(accepting, more, f"{task}/support"), 404, "task_not_found")


async def test_the_same_key_is_the_same_job(accepting: Life) -> None:
    answers = await asyncio.gather(*(ask(accepting, **{"Idempotency-Key": "one"}) for _ in range(6)))
    again = await ask(accepting, **{"Idempotency-Key": "one"})
    assert {(each.status_code, each.content, each.headers["location"]) for each in (*answers, again)} == {
        (202, again.content, again.headers["location"])
    }
    assert again.headers["idempotency-replayed"] == "true" and again.headers["preference-applied"] == "respond-async"
    assert_problem(
        await ask(accepting, TASK | {"name": "other"}, **{"Idempotency-Key": "one"}), 422, "idempotency_key_reused"
    )
    claimed = await claim(accepting)
    assert claimed.id == again.json()["id"]
    await perform(accepting.service.tasks, claimed, FAR)  # and its effect needs no key
    assert (await ask(accepting, **{"Idempotency-Key": "one"})).content == again.content
    assert (await get(accepting, again.json()))["state"] == "succeeded"


async def test_lists(accepting: Life) -> None:
    made = sorted([(await accepted(accepting))["id"] for _ in range(3)], reverse=True)
    assert (await accepting.client.delete(f"/v1/jobs/{made[0]}")).json()["state"] == "cancelled"
    first = (await accepting.client.get("/v1/jobs", params={"state": "queued", "limit": 1})).json()
    rest = (await accepting.client.get("/v1/jobs", params={"state": "queued", "cursor": first["next_cursor"]})).json()
    assert [job["id"] for job in (*first["items"], *rest["items"])] == made[1:] and rest["next_cursor"] is None
    newest = (await accepting.client.get("/v1/jobs", params={"limit": 3})).json()["items"]
    assert [job["id"] for job in newest] == made
    assert_problem(await accepting.client.get("/v1/jobs", params={"state": "lost"}), 422, "invalid_request")


async def test_too_many_wait(accepting: Life) -> None:
    answers = [await ask(accepting) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [202] * 8 + [429] and answers[-1].headers["retry-after"]


@pytest.mark.parametrize("path", ["/v1/jobs/job_1", "/v1/jobs/job_01JD0000000000000000000000", "/v1/jobs/%00"])
async def test_no_such_job(accepting: Life, path: str) -> None:
    for answer in [await accepting.client.get(path), await accepting.client.delete(path)]:
        assert_problem(answer, 404, "job_not_found")
    assert_problem(await accepting.client.get(f"{path}/events"), 404, "job_not_found")


async def test_cancelled_while_it_waits(accepting: Life) -> None:
    job = await accepted(accepting)
    assert await num_bodies(accepting, job["id"]) == 1
    for _ in range(2):  # and told so again
        answer = await accepting.client.delete(f"/v1/jobs/{job['id']}")
        assert answer.status_code == 200 and answer.json()["state"] == "cancelled" and answer.json()["finished_at"]
    assert await num_bodies(accepting, job["id"]) == 0
    assert "retry-after" not in (await accepting.client.get(f"/v1/jobs/{job['id']}")).headers


async def test_cancelled_before_its_effect(accepting: Life) -> None:
    job, claimed = await accepted(accepting), await claim(accepting)
    assert (await accepting.client.delete(f"/v1/jobs/{job['id']}")).json()["state"] == "cancelled"
    with pytest.raises(LeaseLost):
        await perform(accepting.service.tasks, claimed, FAR)
    assert_problem(await accepting.client.get(f"/v1/tasks/{job['task']}"), 404, "task_not_found")


async def test_cancelled_after_its_effect(accepting: Life) -> None:
    job = await accepted(accepting)
    await perform(accepting.service.tasks, await claim(accepting), FAR)
    assert_problem(await accepting.client.delete(f"/v1/jobs/{job['id']}"), 409, "job_finished")
    assert (await accepting.client.get(f"/v1/tasks/{job['task']}")).json()["name"] == "later"


@pytest.mark.parametrize("kind", ["adapt", "extend"])
async def test_a_worker_that_was_only_slow_has_no_effect(accepting: Life, kind: str) -> None:
    task = await accepting.create("curves")
    path, body = ("/v1/tasks", TASK) if kind == "adapt" else (f"{task}/support", {"support": curve(2)})
    job, slow = await accepted(accepting, body, path), await claim(accepting)
    database, tasks = accepting.service.database, accepting.service.tasks
    held = slow.tenant, slow.id, slow.fence
    assert await database.write(lambda session: claims.hand_back(session, *held))
    with pytest.raises(LeaseLost):  # nobody has it, and still it is not this one's
        await perform(tasks, slow, FAR)
    second = await claim(accepting)
    assert (second.id, second.fence) == (slow.id, slow.fence + 1)
    await perform(tasks, second, FAR)
    result = (await get(accepting, job))["result"]
    assert (result["id"], result["version"]) == (job["task"], 1 if kind == "adapt" else 2)
    with pytest.raises(Exception, match=r"task was changed|") as late:
        await perform(tasks, slow, FAR)
    assert late.type.__name__ in ("LeaseLost", "Conflict")
    now = (await accepting.client.get(f"/v1/tasks/{job['task']}")).json()
    assert (now["version"], now["num_support"]) == (result["version"], result["num_support"])


async def test_its_task_is_deleted_meanwhile(accepting: Life) -> None:
    task = await accepting.create("curves")
    job = await accepted(accepting, {"support": curve(2)}, f"{task}/support")
    await accepting.client.delete(task)
    assert await num_bodies(accepting, job["id"]) == 0
    assert (await claim(accepting)).payload is None


async def test_what_it_made_is_deleted(accepting: Life) -> None:
    job = await accepted(accepting)
    await perform(accepting.service.tasks, await claim(accepting), FAR)
    assert (await get(accepting, job))["result"]["id"] == job["task"]
    assert (await accepting.client.delete(f"/v1/tasks/{job['task']}")).status_code == 204
    assert await num_bodies(accepting, job["id"]) == 0
    found = await get(accepting, job)
    assert (found["state"], found["result"], found["problem"]) == ("succeeded", None, None)


async def test_what_it_was_taught_is_forgotten(accepting: Life) -> None:
    task = await accepting.create()
    jobs = [await accepted(accepting, {"support": [accepting.vector(2, "a secret", id="x")]}, f"{task}/support")]
    await perform(accepting.service.tasks, await claim(accepting), FAR)
    assert "a secret" in (await get(accepting, jobs[0]))["result"]["labels"]
    jobs.append(await accepted(accepting, {"support": [accepting.vector(2)]}, f"{task}/support"))
    assert (await accepting.client.delete(f"{task}/support/x")).status_code == 200
    found = await get(accepting, jobs[0])
    assert (found["state"], found["result"]) == ("succeeded", None) and "a secret" not in str(found)
    assert [await num_bodies(accepting, job["id"]) for job in jobs] == [0, 1]  # what waits is asked still
    await perform(accepting.service.tasks, await claim(accepting), FAR)
    assert (await get(accepting, jobs[1]))["result"]["labels"] == ["a", "b", "c"]


async def test_records_expire(accepting: Life) -> None:
    job = await accepted(accepting)
    await accepting.client.delete(f"/v1/jobs/{job['id']}")
    database, now = accepting.service.database, datetime.now(UTC)
    assert await database.write(lambda session: jobs.expire_jobs(session, now)) >= 1
    assert_problem(await accepting.client.get(f"/v1/jobs/{job['id']}"), 404, "job_not_found")


async def test_below_a_proxys_path(accepting: Life) -> None:
    answer = await accepting.client.post("/v1/tasks", json=TASK, headers=ASYNC)
    assert answer.headers["location"].startswith("/v1/jobs/")
