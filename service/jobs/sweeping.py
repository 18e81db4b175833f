"""What each replica looks after as it runs: jobs whose process has vanished, and records of what was over long ago."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

from service.errors import JobAbandoned
from service.metrics import Metrics
from service.schemas import Problem
from service.settings import Settings
from service.storage import claims, jobs
from service.storage.database import Database

LOOKS = 5  # for lost jobs, in the time of a lease


class Reaper:
    """Lets others do what a vanished process held, or gives it up; and counts what there is.

    While the database was away nobody could renew a lease: after that, who is still there has a lease's time to do so.
    One that is new does not know how long the database was away, and waits as well.
    """

    def __init__(self, database: Database, settings: Settings, metrics: Metrics, wake: asyncio.Event) -> None:
        self._database = database
        self._lease_s = settings.job_lease_s
        self._max_losses = settings.job_attempts
        self._metrics = metrics
        self._wake = wake
        self._looked_at = monotonic()  # when last the database answered
        self._back_at = self._looked_at  # when it may have done so for the first time after it had not for long

    async def look(self) -> None:
        """What is to be done `LOOKS` times a lease."""
        if monotonic() - self._looked_at > self._lease_s * (1 - 2 / LOOKS):  # a look later than a look after a beat
            self._back_at = monotonic()
        async with self._database.read() as session:
            is_any, num_open = await claims.is_any_lapsed(session), await claims.count_open(session)
        self._looked_at = monotonic()
        for state, number in num_open.items():
            self._metrics.jobs.labels(state).set(number)
        if is_any and self._looked_at - self._back_at >= self._lease_s:
            await self._reap()

    async def _reap(self) -> None:
        gave_up = JobAbandoned(
            f"{self._max_losses} processes were lost while they did this job; it is not tried again."
        )
        reap = partial(
            claims.reap,
            now=datetime.now(UTC),
            max_losses=self._max_losses,
            problem=Problem.of(gave_up).model_dump(),
        )
        lapsed = await self._database.write(reap)
        self._metrics.lost_jobs.inc(len(lapsed))
        self._metrics.ended_jobs.labels("failed").inc(sum(job.is_over for job in lapsed))
        self._wake.set()


async def expire_jobs(database: Database, ttl: timedelta) -> None:
    """Forget the jobs that have been over for `ttl`."""
    before = datetime.now(UTC) - ttl
    while await database.write(lambda session: jobs.expire_jobs(session, before)) == jobs.MAX_EXPIRED:
        pass
