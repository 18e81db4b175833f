"""Does jobs in this process: so many at once, each as soon as its turn has come."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from service.errors import KshotError
from service.jobs.effects import EFFECTS
from service.jobs.run import Run
from service.metrics import Metrics
from service.settings import Settings
from service.storage import claims
from service.storage.claims import ClaimedJob
from service.storage.database import Database
from service.tasks import Tasks
from service.tracing import Tracing

log = logging.getLogger(__name__)

AFTER_OUTAGE_S = 1.0


class Runner:
    """Claims jobs and runs them. What another process accepted it finds by looking, what this one did it is told."""

    def __init__(
        self,
        database: Database,
        tasks: Tasks,
        settings: Settings,
        metrics: Metrics,
        tracing: Tracing,
        wake: asyncio.Event,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing
        self._wake = wake
        self._is_stopping = is_stopping
        self._runs: dict[asyncio.Task[None], bool] = {}  # and whether each is slow
        self._is_over = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do jobs inside the block; what is not done at its end, or when the process shall stop, is handed back."""
        serving = asyncio.create_task(self._serve(), name="jobs")
        try:
            yield
        finally:
            self._is_over = True  # and not cancelled, perhaps between a claim and its run
            self._wake.set()
            await serving

    async def _serve(self) -> None:
        while not (self._is_over or self._is_stopping()):
            self._wake.clear()  # before looking: what comes meanwhile wakes it again
            job = await self._claim() if len(self._runs) < self._settings.job_workers else None
            if job is not None:
                self._start(job)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.job_poll_s):
                    await self._wake.wait()
        await self._hand_back()

    async def _claim(self) -> ClaimedJob | None:
        kinds, lease_s, now = list(EFFECTS), self._settings.job_lease_s, datetime.now(UTC)
        # the device takes them in turns anyway, and quick jobs of others need not wait until one is over
        may_be_slow = sum(self._runs.values()) < max(1, self._settings.job_workers - 1)
        try:
            async with self._database.read_bare(aside=True) as connection:
                if not await claims.is_any_queued(connection, kinds, may_be_slow=may_be_slow):
                    return None
            return await self._database.write(
                lambda session: claims.claim_job(session, kinds, lease_s, now, may_be_slow=may_be_slow)
            )
        except KshotError as error:
            log.warning("no job could be claimed: %s", error)
        except Exception:
            log.exception("no job could be claimed")
        await asyncio.sleep(AFTER_OUTAGE_S)
        return None

    def _start(self, job: ClaimedJob) -> None:
        run = Run(job, self._database, self._tasks, self._settings, self._metrics, self._tracing)
        task = asyncio.create_task(run.whole(), name=job.id)
        self._runs[task] = job.is_slow
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._runs.pop(task, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job was dropped, its lease has to lapse", exc_info=error)

    async def _hand_back(self) -> None:
        await asyncio.sleep(0)  # a run that has not begun could not hand anything back
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
