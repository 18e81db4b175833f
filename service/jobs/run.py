"""One job being done: worked on, its lease renewed, and ended, handed back or left to whoever has it now."""

import asyncio
import logging
from datetime import UTC, datetime
from time import monotonic

from service import logs
from service.errors import ComputationFailed, Conflict, InternalError, KshotError, Overloaded, Unavailable
from service.jobs.effects import LeaseLost, perform
from service.metrics import Metrics
from service.schemas import Problem
from service.settings import Settings
from service.storage import claims
from service.storage.claims import ClaimedJob
from service.storage.database import Database
from service.tasks import Tasks
from service.tasks.decoding import ON_DECODED
from service.tracing import CURRENT, Tracing

log = logging.getLogger(__name__)

MAX_BEAT_S = 1.0  # how often to say that a job is held, and to hear that it is cancelled


class Run:
    """A claimed job, until this process has nothing more to do with it."""

    def __init__(
        self,
        job: ClaimedJob,
        database: Database,
        tasks: Tasks,
        settings: Settings,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self._job = job
        self._held = job.tenant, job.id, job.fence
        self._database = database
        self._tasks = tasks
        self._lease_s = settings.job_lease_s
        self._beat_s = min(MAX_BEAT_S, settings.job_lease_s / 5)
        self._began = monotonic()
        self._deadline = self._began + settings.job_timeout_s
        self._metrics = metrics
        self._tracing = tracing
        self._num_done = 0
        self._has_failed = False

    async def whole(self) -> None:
        """Do the job while it is held; cancelled, hand it back."""
        logs.begin(request_id=self._job.id, tenant=self._job.tenant, task=self._job.task_id)
        CURRENT.set(trace := self._tracing.begin("job"))
        ON_DECODED.set(self._note)
        work = asyncio.create_task(self._work(), name=f"work on {self._job.id}")
        try:
            while not (await asyncio.wait([work], timeout=self._beat_s))[0] and await self._is_held():
                pass
        except asyncio.CancelledError:
            await _end(work)
            await self._hand_back()
            raise
        finally:
            await _end(work)
            if trace is not None:
                trace.end(f"job {self._job.kind}", logs.about(), has_failed=self._has_failed)

    def _note(self, num_decoded: int) -> None:
        self._num_done = num_decoded

    async def _is_held(self) -> bool:
        try:
            return await self._database.write(
                lambda session: claims.renew(session, *self._held, num_done=self._num_done, lease_s=self._lease_s)
            )
        except KshotError as error:  # the database is away; whether the job is still held is decided when it ends
            log.warning("the lease was not renewed: %s", error)
            return True

    async def _work(self) -> None:
        state = "failed"
        try:
            await self._persist()
            state = "succeeded"
        except LeaseLost:
            log.info("the job was cancelled, or another process has it")
            return
        except KshotError as error:
            await self._fail(error)
        except Exception:
            log.exception("the job failed")
            await self._fail(InternalError(f"The service made a mistake; its log has more under {self._job.id}."))
        self._metrics.ended_jobs.labels(state).inc()
        seconds = monotonic() - self._began
        self._metrics.job_seconds.labels(self._job.kind).observe(seconds)
        fields = {"kind": self._job.kind, "state": state, "ms": round(seconds * 1000, 2)}
        log.info("job", extra={logs.FIELDS: fields})

    async def _persist(self) -> None:
        """Do it, and again where a client would be told to try again."""
        while True:
            try:
                return await perform(self._tasks, self._job, self._deadline)
            except (Overloaded, Conflict, Unavailable) as error:
                pause_s = error.retry_after_s
                if pause_s is None or isinstance(error, ComputationFailed) or monotonic() + pause_s > self._deadline:
                    raise
                await asyncio.sleep(pause_s)

    async def _fail(self, error: KshotError) -> None:
        self._has_failed = True
        problem, now = Problem.of(error).model_dump(), datetime.now(UTC)
        try:
            await self._database.write(lambda session: claims.end_job(session, *self._held, now, problem=problem))
        except KshotError as outage:  # whoever has the job when its lease has lapsed will find the same
            log.warning("the job's end was not written: %s", outage)

    async def _hand_back(self) -> None:
        try:
            await self._database.write(lambda session: claims.hand_back(session, *self._held))
        except KshotError as error:
            log.warning("the job was not handed back, its lease has to lapse: %s", error)


async def _end(work: "asyncio.Task[None]") -> None:
    """Stop the work, if it is not done, and wait until it has stopped."""
    work.cancel()
    await asyncio.wait([work])
