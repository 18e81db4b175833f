"""Jobs as their tenants know them: accepted, looked at, waited for, cancelled."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service import codec
from service.errors import JobFinished, JobNotFound, Overloaded
from service.ids import new_id
from service.jobs.answers import accepted, job_of
from service.jobs.effects import Forget
from service.jobs.watching import Watching
from service.once import Once, insert_once
from service.schemas import CreateTask, ExtendSupport, Job, JobKind, JobPage, JobState, Readapt
from service.settings import Settings
from service.storage import jobs
from service.storage.database import Database
from service.storage.jobs import JobRecord, NewJob
from service.storage.matching import Match
from service.storage.requests import StoredAnswer
from service.tasks import Tasks


class Jobs:
    """Every operation on jobs, for one tenant at a time."""

    def __init__(
        self, database: Database, tasks: Tasks, settings: Settings, wake: asyncio.Event, is_stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._tasks = tasks
        self._max_queued = settings.max_queued_jobs
        self._wake = wake
        self.watching = Watching(database, settings, is_stopping)

    async def adapt(
        self, tenant: str, request: CreateTask, once: Once | None = None, *, was_preferred: bool
    ) -> StoredAnswer:
        """Accept a task to be made. Raises what can be known without decoding an input."""
        model, size = await self._tasks.check(tenant, request), len(request.support)
        return await self._accept(
            tenant, "adapt", new_id("task"), request, size, None, once, was_preferred, is_slow=model.is_slow
        )

    async def extend(
        self,
        tenant: str,
        task_id: str,
        request: ExtendSupport,
        *,
        match: Match = None,
        once: Once | None = None,
        was_preferred: bool,
    ) -> StoredAnswer:
        """Accept more support for a task, which must be at a revision of `match` now and when its turn has come."""
        task, _ = await self._tasks.get(tenant, task_id, match=match)
        is_slow, size = self._tasks.readapting.is_slow(task), len(request.support)
        return await self._accept(tenant, "extend", task_id, request, size, match, once, was_preferred, is_slow=is_slow)

    async def readapt(
        self,
        tenant: str,
        task_id: str,
        request: Readapt,
        *,
        match: Match = None,
        once: Once | None = None,
        was_preferred: bool,
    ) -> StoredAnswer:
        """Accept to move a task to the digest that the request means now. Raises what its inputs need not tell."""
        task, _ = await self._tasks.get(tenant, task_id, match=match, repairs=True)
        named = self._tasks.readapting.named(tenant, task, request)
        is_slow, size = self._tasks.readapting.is_slow(task), task.num_support
        return await self._accept(tenant, "readapt", task_id, named, size, match, once, was_preferred, is_slow=is_slow)

    async def forget(
        self, tenant: str, task_id: str, example_id: str, *, match: Match = None, was_preferred: bool
    ) -> StoredAnswer:
        """Accept to forget an example of a task. Raises what the task's other examples need not tell."""
        task, _ = await self._tasks.get(tenant, task_id, match=match, repairs=True)
        await self._tasks.support.find_example(tenant, task_id, example_id)
        is_slow, size, request = self._tasks.readapting.is_slow(task), task.num_support, Forget(example=example_id)
        return await self._accept(tenant, "forget", task_id, request, size, match, None, was_preferred, is_slow=is_slow)

    async def get(self, tenant: str, job_id: str) -> Job:
        """The job as it is now. Raises JobNotFound."""
        async with self._database.read() as session:
            return job_of(await _find_job(session, tenant, job_id))

    async def page(self, tenant: str, *, limit: int, cursor: str | None, state: JobState | None) -> JobPage:
        """A page of jobs, newest first."""
        after = codec.read_cursor(cursor, "job") if cursor is not None else None
        async with self._database.read() as session:
            found = await jobs.list_jobs(session, tenant, limit=limit + 1, after=after, state=state)
        cursor = codec.write_cursor(found[limit - 1].id) if len(found) > limit else None
        return JobPage(items=[job_of(record) for record in found[:limit]], next_cursor=cursor)

    async def cancel(self, tenant: str, job_id: str) -> Job:
        """End the job without effect, also while it is being done. Raises JobNotFound, or JobFinished if it is over."""

        async def work(session: AsyncSession) -> JobRecord:
            await jobs.cancel_job(session, tenant, job_id, datetime.now(UTC))
            return await _find_job(session, tenant, job_id)

        record = await self._database.write(work)
        if record.state != "cancelled":
            raise JobFinished(f"The job has {record.state}.")
        return job_of(record)

    async def _accept(
        self,
        tenant: str,
        kind: JobKind,
        task_id: str,
        request: BaseModel,
        size: int,
        match: Match,
        once: Once | None,
        was_preferred: bool,
        *,
        is_slow: bool,
    ) -> StoredAnswer:
        payload = (await asyncio.to_thread(request.model_dump_json, exclude_unset=True)).encode()
        revisions = None if match is None else sorted(match)
        job = NewJob(tenant, new_id("job"), kind, task_id, size, revisions, payload, is_slow)

        async def work(session: AsyncSession) -> StoredAnswer:
            if await jobs.num_queued(session, tenant) >= self._max_queued:
                raise Overloaded(f"{self._max_queued} jobs are waiting already.", retry_after_s=5)
            record = await jobs.insert_job(session, job, datetime.now(UTC))
            answer = accepted(record, was_preferred=was_preferred)
            await insert_once(session, tenant, once, None, answer)
            return answer

        answer = await self._database.write(work)
        self._wake.set()
        return answer


async def _find_job(session: AsyncSession, tenant: str, job_id: str) -> JobRecord:
    record = await jobs.get_job(session, tenant, job_id)
    if record is None:
        raise JobNotFound(f"There is no job {job_id[:80]!r}.")
    return record
