"""What each replica looks after as it runs: jobs whose process has vanished, and records of what was over long ago."""

import asyncio
from datetime import UTC, datetime, timedelta

from service.errors import JobAbandoned
from service.metrics import Metrics
from service.schemas import Problem
from service.storage import claims, jobs
from service.storage.database import Database


async def reap(database: Database, max_losses: int, metrics: Metrics, wake: asyncio.Event) -> None:
    """Let others do what a vanished process held, or give it up; and count what there is."""
    gave_up = JobAbandoned(f"{max_losses} processes were lost while they did this job; it is not tried again.")
    problem, now = Problem.of(gave_up).model_dump(), datetime.now(UTC)
    async with database.read() as session:
        is_any, num_open = await claims.is_any_lapsed(session), await claims.count_open(session)
    for state, number in num_open.items():
        metrics.jobs.labels(state).set(number)
    if is_any:
        lapsed = await database.write(lambda session: claims.reap(session, now, max_losses=max_losses, problem=problem))
        metrics.lost_jobs.inc(len(lapsed))
        metrics.ended_jobs.labels("failed").inc(sum(job.is_over for job in lapsed))
        wake.set()


async def expire_jobs(database: Database, ttl: timedelta) -> None:
    """Forget the jobs that have been over for `ttl`."""
    before = datetime.now(UTC) - ttl
    while await database.write(lambda session: jobs.expire_jobs(session, before)) == jobs.MAX_EXPIRED:
        pass
