"""Who watches jobs: so many, of each tenant a part, and one look at the database for all of them."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import TypeAlias, TypeVar

from service.errors import DatabaseUnavailable, Overloaded
from service.jobs.answers import job_of
from service.schemas import Job
from service.settings import Settings
from service.storage import jobs
from service.storage.database import Database
from service.storage.jobs import JobRecord

log = logging.getLogger(__name__)

EVERY_S = 0.25  # how often to look at the jobs that somebody watches
BUSY_RETRY_S = 5.0

Key: TypeAlias = tuple[str, str]  # tenant and job
Name = TypeVar("Name", str, Key)


class Watching:
    """A quarter of the requests in flight may be watching, a quarter of those may be of one tenant of many."""

    def __init__(self, database: Database, settings: Settings, is_stopping: Callable[[], bool]) -> None:
        self._database = database
        self._is_stopping = is_stopping
        self._most = max(1, settings.max_in_flight // 4)
        self._most_of_one = self._most if settings.auth == "off" else max(1, self._most // 4)
        self._watchers: Counter[str] = Counter()
        self._watched: Counter[Key] = Counter()
        self._look: asyncio.Task[Mapping[Key, JobRecord]] | None = None

    @property
    def num_watchers(self) -> int:
        """How many watch now."""
        return self._watchers.total()

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """One of the places. Raises Overloaded."""
        if self.num_watchers >= self._most or self._watchers[tenant] >= self._most_of_one:
            detail = "Too many jobs are being watched already; ask for them now and then."
            raise Overloaded(detail, retry_after_s=BUSY_RETRY_S)
        self._watchers[tenant] += 1
        try:
            yield
        finally:
            _less(self._watchers, tenant)

    async def watch(self, job: Job, tenant: str) -> AsyncIterator[Job]:
        """The job as it was found, then whenever it has changed, until it is over or this process stops."""
        key = tenant, job.id
        self._watched[key] += 1
        try:
            yield job
            while job.state in jobs.OPEN and not self._is_stopping():
                try:
                    record = (await self._next_look()).get(key)
                except DatabaseUnavailable:  # whoever watches waits anyway
                    continue
                if record is None:
                    return
                if (found := job_of(record)) != job:
                    yield (job := found)
        finally:
            _less(self._watched, key)

    async def _next_look(self) -> Mapping[Key, JobRecord]:
        """What one look finds, which all who wait for it share; it begins when the last of them has come."""
        if self._look is None:
            self._look = asyncio.create_task(self._look_soon(), name="looking at jobs", context=Context())
        return await asyncio.shield(self._look)

    async def _look_soon(self) -> Mapping[Key, JobRecord]:
        await asyncio.sleep(EVERY_S)
        self._look = None  # who comes now waits for the next
        return {(record.tenant, record.id): record for record in await self._read(list(self._watched))}

    async def _read(self, keys: Sequence[Key]) -> list[JobRecord]:
        """Of these jobs those that can be read: what is damaged must not end the watching of others."""
        try:
            async with self._database.read() as session:
                return await jobs.get_jobs(session, keys)
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(keys) > 1:
                return [record for key in keys for record in await self._read([key])]
            log.exception("a job cannot be read")
            return []


def _less(counts: Counter[Name], name: Name) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
