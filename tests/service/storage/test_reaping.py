"""Jobs whose process has vanished are found; those whose process could not be heard, as nobody could, are not."""

import asyncio

import pytest

from service.jobs.sweeping import Reaper
from service.metrics import Metrics
from service.settings import Settings
from service.storage import claims
from service.storage.database import Database
from tests.service.storage.test_jobs import claim, enqueue, get, new_job

LEASE_S = 2.0


@pytest.mark.parametrize("is_new", [False, True], ids=["it was there", "it starts after it"])
async def test_an_outage_longer_than_a_lease_loses_nobody(database: Database, is_new: bool) -> None:
    job, wake = new_job(), asyncio.Event()
    await enqueue(database, job)
    reaper = Reaper(database, Settings(job_lease_s=LEASE_S), Metrics(), wake)
    held = await claim(database, lease_s=0.1)
    await asyncio.sleep(LEASE_S)  # nothing can be asked for so long
    if is_new:
        reaper = Reaper(database, Settings(job_lease_s=LEASE_S), Metrics(), wake)
    await reaper.look()
    await reaper.look()
    assert not wake.is_set()
    renewed = await database.write(
        lambda session: claims.renew(session, "default", job.id, held.fence, num_done=1, lease_s=0.1)
    )
    assert renewed and (await get(database, job)).state == "running"


async def test_a_vanished_process_is_found(database: Database) -> None:
    job, wake = new_job(), asyncio.Event()
    await enqueue(database, job)
    reaper = Reaper(database, Settings(job_lease_s=LEASE_S), Metrics(), wake)
    await claim(database, lease_s=0.1)
    async with asyncio.timeout(60):
        while not wake.is_set():
            await asyncio.sleep(0.05)
            await reaper.look()
    assert (await get(database, job)).state == "queued"
