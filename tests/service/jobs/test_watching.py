"""Those who watch jobs share one look at the database, and one tenant cannot take all their places."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from service.errors import Overloaded
from service.ids import new_id
from service.jobs import watching
from service.jobs.answers import job_of
from service.jobs.watching import Watching
from service.schemas import Job
from service.settings import Settings
from service.storage import jobs
from service.storage.database import Database
from service.storage.jobs import NewJob
from tests.service.samples import opened


def settled(database: Database, auth: str = "on", is_stopping: bool = False) -> Watching:
    return Watching(database, Settings(auth=auth, max_in_flight=64), lambda: is_stopping)


async def make(database: Database, tenant: str) -> Job:
    job, now = NewJob(tenant, new_id("job"), "adapt", new_id("task"), 1, None, b"{}"), datetime.now(UTC)
    return job_of(await database.write(lambda session: jobs.insert_job(session, job, now)))


async def cancel(database: Database, tenant: str, job: Job) -> None:
    await database.write(lambda session: jobs.cancel_job(session, tenant, job.id, datetime.now(UTC)))


async def test_all_who_watch_share_one_look(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    num_looks, get_jobs = 0, jobs.get_jobs

    async def counted(*args: object) -> object:
        nonlocal num_looks
        num_looks += 1
        return await get_jobs(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "get_jobs", counted)
    async with opened(database_url) as database:
        watched = settled(database)
        made = [(tenant, await make(database, tenant)) for tenant in ("a", "b")]

        async def follow(tenant: str, job: Job) -> list[str]:
            return [each.state async for each in watched.watch(job, tenant)]

        following = [asyncio.create_task(follow(*each)) for each in made for _ in range(10)]
        while num_looks < 3:
            await asyncio.sleep(0.001)
        await cancel(database, *made[0])
        assert await asyncio.gather(*following[:10]) == [["queued", "cancelled"]] * 10
        assert not any(each.done() for each in following[10:])
        before = num_looks
        await cancel(database, *made[1])
        assert await asyncio.gather(*following[10:]) == [["queued", "cancelled"]] * 10
        assert num_looks - before <= 3
        assert not watched._watched


async def test_a_damaged_job_is_left_alone(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    async with opened(sqlite_url) as database:
        watched, good, bad = settled(database), await make(database, "a"), await make(database, "b")
        damage = text("UPDATE jobs SET problem = '{' WHERE id = :id").bindparams(id=bad.id)
        await database.write(lambda session: session.execute(damage))
        ending = [each async for each in watched.watch(bad, "b")]
        told = watched.watch(good, "a")
        assert (len(ending), (await anext(told)).id) == (1, good.id)
        await cancel(database, "a", good)
        both = asyncio.create_task(collected(watched.watch(bad, "b")))
        assert (await anext(told)).state == "cancelled" and len(await both) == 1


async def collected(told: AsyncIterator[Job]) -> list[Job]:
    return [each async for each in told]


async def test_another_tenants_job_is_not_found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.001)
    async with opened(sqlite_url) as database:
        job = await make(database, "a")
        assert [each.id async for each in settled(database).watch(job, "b")] == [job.id]


async def test_who_watches_is_told_of_the_end_by_stopping(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        job = await make(database, "a")
        assert len([each async for each in settled(database, is_stopping=True).watch(job, "a")]) == 1


async def test_one_tenant_has_a_quarter_of_the_places(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        watched = settled(database)
        places = [watched.place("greedy") for _ in range(4)]
        for place in places:
            place.__enter__()
        with pytest.raises(Overloaded), watched.place("greedy"):
            pass
        with watched.place("other"):
            assert watched.num_watchers == 5
        for place in places:
            place.__exit__(None, None, None)
        assert watched.num_watchers == 0 and not watched._watchers
        alone = settled(database, auth="off")
        taken = [alone.place("default") for _ in range(16)]
        for place in taken:
            place.__enter__()
        with pytest.raises(Overloaded), alone.place("default"):
            pass
