"""Jobs in the database: whose turn it is, who holds one, and that what lost its hold has no effect."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.ids import new_id
from service.storage import claims, jobs, queries
from service.storage.claims import ClaimedJob
from service.storage.database import Database
from service.storage.jobs import JobRecord, NewJob
from service.storage.tables import JobBody
from tests.service.storage.samples import NOW, new_task, storing

LEASE_S = 30.0
KINDS = ["adapt", "extend"]
PROBLEM = {"code": "gone"}


def new_job(tenant: str = "default", kind: str = "adapt", size: int = 1) -> NewJob:
    return NewJob(tenant, new_id("job"), kind, new_id("task"), size, [3], b"asked")


async def enqueue(database: Database, *made: NewJob) -> None:
    for job in made:
        await database.write(lambda session: jobs.insert_job(session, job, NOW))  # noqa: B023


async def claim(database: Database, lease_s: float = LEASE_S) -> ClaimedJob:
    claimed = await database.write(lambda session: claims.claim_job(session, KINDS, lease_s, NOW))
    assert claimed is not None
    return claimed


async def get(database: Database, job: NewJob) -> JobRecord:
    async with database.read() as session:
        found = await jobs.get_job(session, job.tenant, job.id)
    assert found is not None
    return found


async def num_bodies(database: Database) -> int:
    async with database.read() as session:
        return (await session.execute(select(func.count()).select_from(JobBody))).scalar_one()


async def end(database: Database, claimed: ClaimedJob, answer: bytes | None = None) -> bool:
    held = claimed.tenant, claimed.id, claimed.fence
    problem = PROBLEM if answer is None else None
    return await database.write(lambda session: claims.end_job(session, *held, NOW, answer=answer, problem=problem))


async def reap(database: Database, max_losses: int = 9) -> list[tuple[str, bool]]:
    lapsed = await database.write(lambda session: claims.reap(session, NOW, max_losses=max_losses, problem=PROBLEM))
    return [(each.id, each.is_over) for each in lapsed]


async def test_a_job_from_its_first_moment_to_its_last(database: Database) -> None:
    job = new_job(size=4)
    await enqueue(database, job)
    waiting = await get(database, job)
    assert (waiting.state, waiting.num_done, waiting.num_total, waiting.answer) == ("queued", 0, 4, None)
    claimed = await claim(database)
    assert claimed == ClaimedJob("default", job.id, "adapt", job.task_id, [3], 1, False, b"asked")
    assert await database.write(
        lambda session: claims.renew(session, "default", job.id, 1, num_done=2, lease_s=LEASE_S)
    )
    running = await get(database, job)
    assert (running.state, running.num_done, running.started_at, running.answer) == ("running", 2, NOW, None)
    assert await end(database, claimed, b"answered") and not await end(database, claimed, b"again")
    over = await get(database, job)
    assert (over.state, over.num_done, over.finished_at, over.answer) == ("succeeded", 4, NOW, b"answered")
    async with database.read() as session:
        assert await jobs.get_job(session, "other", job.id) is None
        assert not await claims.is_any_queued(session, KINDS)
    assert await num_bodies(database) == 1


async def test_what_fails_leaves_its_problem_alone(database: Database) -> None:
    job = new_job()
    await enqueue(database, job)
    assert await end(database, await claim(database))
    over = await get(database, job)
    assert (over.state, over.problem, over.num_done) == ("failed", PROBLEM, 0) and await num_bodies(database) == 0


async def test_many_claim_at_once_and_each_job_goes_to_one(database: Database) -> None:
    await enqueue(database, *(new_job() for _ in range(12)))
    taken: list[ClaimedJob | None] = []
    while len(taken) < 12:  # one may find that others are just taking what it saw
        found = await asyncio.gather(
            *(database.write(lambda session: claims.claim_job(session, KINDS, LEASE_S, NOW)) for _ in range(4))
        )
        taken += [each for each in found if each is not None]
    assert len({each.id for each in taken if each is not None}) == 12
    assert await database.write(lambda session: claims.claim_job(session, KINDS, LEASE_S, NOW)) is None


async def test_tenants_take_turns_by_what_they_ask(database: Database) -> None:
    many = [new_job("many", size=10) for _ in range(6)]
    await enqueue(database, *many)
    assert (await claim(database)).tenant == "many"
    await enqueue(database, *(new_job("few", size=5) for _ in range(4)))
    order = [(await claim(database)).tenant for _ in range(9)]
    assert order.count("few") == 4 and set(order[:2]) == {"many", "few"}
    assert set(order[:6]) == {"many", "few"} and order[:6].count("few") >= 3
    assert order[-2:] == ["many", "many"]
    async with database.read() as session:
        assert [each.id for each in await jobs.list_jobs(session, "many", limit=9, after=None, state=None)] == [
            *sorted((job.id for job in many), reverse=True)
        ]


async def test_slow_jobs_are_passed_over_where_no_more_of_them_may_run(database: Database) -> None:
    slow, quick = replace(new_job(), is_slow=True), new_job("other", size=9)
    await enqueue(database, slow, quick)
    now = partial(claims.claim_job, kinds=KINDS, lease_s=LEASE_S, now=NOW, may_be_slow=False)
    claimed = await database.write(now)
    assert claimed is not None and (claimed.id, claimed.is_slow) == (quick.id, False)
    assert await database.write(now) is None
    async with database.read() as session:
        assert not await claims.is_any_queued(session, KINDS, may_be_slow=False)
    assert (await claim(database)).is_slow


async def test_a_lapsed_lease_gives_the_job_to_another(database: Database) -> None:
    job = new_job()
    await enqueue(database, job)
    slow = await claim(database, lease_s=0.2)
    assert await reap(database) == []
    await asyncio.sleep(0.3)
    assert await reap(database) == [(job.id, False)] and await reap(database) == []
    assert not await end(database, slow, b"late")  # nobody has it now
    second = await claim(database)
    assert (second.id, second.fence, second.payload) == (job.id, 2, b"asked")
    renewed = await database.write(
        lambda session: claims.renew(session, "default", job.id, slow.fence, num_done=1, lease_s=LEASE_S)
    )
    handed_back = await database.write(lambda session: claims.hand_back(session, "default", job.id, slow.fence))
    assert not renewed and not handed_back and not await end(database, slow, b"late")
    assert await end(database, second, b"once")
    assert (await get(database, job)).answer == b"once"


async def test_what_kills_its_processes_is_given_up(database: Database) -> None:
    job = new_job()
    await enqueue(database, job)
    for number in range(1, 4):
        await claim(database, lease_s=-1.0)
        assert await reap(database, max_losses=3) == [(job.id, number == 3)]
    over = await get(database, job)
    assert (over.state, over.problem, over.finished_at) == ("failed", PROBLEM, NOW) and await num_bodies(database) == 0
    assert await database.write(lambda session: claims.claim_job(session, KINDS, LEASE_S, NOW)) is None


async def test_handed_back_it_is_first_in_line(database: Database) -> None:
    first, second = sorted((new_job(), new_job()), key=lambda job: job.id)
    await enqueue(database, first, second)
    claimed = await claim(database)
    assert await database.write(lambda session: claims.hand_back(session, "default", first.id, claimed.fence))
    again = await claim(database)
    assert (claimed.id, again.id, again.fence) == (first.id, first.id, 2)


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed"])
async def test_cancelled_in_each_state(database: Database, state: str) -> None:
    job = new_job()
    await enqueue(database, job)
    claimed = None if state == "queued" else await claim(database)
    if claimed is not None and state != "running":
        assert await end(database, claimed, b"answer" if state == "succeeded" else None)
    assert not await database.write(lambda session: jobs.cancel_job(session, "other", job.id, NOW))
    is_open = state in jobs.OPEN
    assert await database.write(lambda session: jobs.cancel_job(session, "default", job.id, NOW)) == is_open
    assert (await get(database, job)).state == ("cancelled" if is_open else state)
    assert await num_bodies(database) == (state == "succeeded")
    if claimed is not None:
        assert not await end(database, claimed, b"late")


async def test_a_task_takes_what_was_asked_and_answered_along(database: Database) -> None:
    tasks = [new_task() for _ in range(2)]
    for task in tasks:
        await database.write(storing(task))
    answered, waiting = [replace(new_job(kind="extend"), task_id=task.id) for task in tasks]
    await enqueue(database, answered)
    claimed = await claim(database)
    held = "default", answered.id, claimed.fence

    async def work(session: AsyncSession) -> bool:
        return await claims.end_job(session, *held, NOW, task_id=answered.task_id, answer=b"answer")

    assert await database.write(work)
    await enqueue(database, waiting)
    for task in tasks:
        assert await database.write(lambda session: queries.delete_task(session, "default", task.id))  # noqa: B023
    assert await num_bodies(database) == 0
    assert ((await get(database, answered)).answer, (await claim(database)).payload) == (None, None)


async def test_lists_counts_and_expiry(database: Database) -> None:
    made = sorted((new_job() for _ in range(5)), key=lambda job: job.id)
    await enqueue(database, *made)
    await end(database, await claim(database), b"answer")
    await claim(database)
    async with database.read() as session:
        assert await claims.count_open(session) == {"queued": 3, "running": 1}
        assert await jobs.num_queued(session, "default") == 3 and await jobs.num_queued(session, "other") == 0
        waiting = await jobs.list_jobs(session, "default", limit=2, after=made[4].id, state="queued")
        assert [each.id for each in waiting] == [made[3].id, made[2].id]
    assert await database.write(lambda session: jobs.expire_jobs(session, NOW)) == 0
    later = datetime.now(UTC) + timedelta(days=1)
    assert await database.write(lambda session: jobs.expire_jobs(session, later)) == 1
    async with database.read() as session:
        left = await jobs.list_jobs(session, "default", limit=9, after=None, state=None)
    assert [each.id for each in left] == [job.id for job in reversed(made[1:])] and await num_bodies(database) == 4
