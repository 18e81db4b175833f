"""Every write to a task: in one transaction, and only while the task is as it was when the write was computed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from service import codec
from service.errors import DeadlineExceeded
from service.logs import note
from service.metrics import Metrics
from service.once import Receipt, answer_of
from service.settings import Settings
from service.storage import changes, history, queries, transfers, usage
from service.storage.database import Database
from service.storage.groups import Work
from service.storage.inserts import insert_examples, insert_version
from service.storage.matching import Match
from service.storage.readable import damaged_example
from service.storage.records import ExampleRecord, NewVersion, TaskRecord
from service.tasks.columns import columns_of, with_columns
from service.tasks.finding import find_task, find_what_is_left, why_not
from service.tasks.quotas import Quotas
from service.tasks.retrying import Lost, until_kept
from service.tracing import span

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class State:
    """A task and the support of its current version, of which some may be damaged; or more of the version is."""

    record: TaskRecord
    examples: list[ExampleRecord]
    next_ordinal: int
    damaged_ids: Sequence[str] = ()  # of examples that cannot be read
    is_damaged: bool = False


@dataclass(frozen=True)
class Change:
    """The next version of a task, the examples that come with it, and the ids of those that go.

    `encoded` are examples that stay, with the features that another model than before has made of them.
    """

    version: NewVersion
    added: Sequence[ExampleRecord] = ()
    forgotten: Sequence[str] = ()
    encoded: Sequence[ExampleRecord] = ()


Make: TypeAlias = Callable[[State], Awaitable[Change | None]]  # none: the task is as it should be already


class Writing:
    """Where tasks are written, and nowhere else."""

    def __init__(self, database: Database, settings: Settings, metrics: Metrics) -> None:
        self._database = database
        self._max_versions = settings.max_versions
        self.quotas = Quotas(database, settings)
        self._metrics = metrics
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def commit(
        self,
        work: Work[TaskRecord],
        answer: Callable[[TaskRecord], M],
        once: Receipt | None = None,
        *,
        status: int = 200,
        location: str | None = None,
        stores_more: bool = True,
        origin: str | None = None,
    ) -> tuple[M, int]:
        """Do the work in a transaction of its own, and store its answer with it if it must happen once.

        `origin` is that of the version that it makes, if it makes one.

        The answer, and the revision that the task is at after it. Raises QuotaExceeded if it `stores_more` than it may.
        """

        async def whole(session: AsyncSession) -> tuple[M, TaskRecord]:
            record = await work(session)
            if stores_more:
                await self.quotas.count(session, record.tenant)
            body = answer(record)
            if once is not None:
                told = answer_of(body, status=status, revision=record.revision, location=location)
                await once.store(session, record.tenant, record.id, told)
            return body, record

        with span("store"):
            body, record = await self._database.write(whole)
        note(task=record.id)
        if origin is not None:
            self._metrics.versions.labels(origin).inc()
        return body, record.revision

    async def advance(
        self,
        tenant: str,
        task_id: str,
        make: Make,
        answer: Callable[[TaskRecord], M],
        *,
        deadline: float,
        match: Match = None,
        once: Receipt | None = None,
        status: int = 200,
        repairs: bool = False,
    ) -> tuple[M, int]:
        """Make the task's next version from its current one; if another is written meanwhile, again from that.

        What `repairs` is given what can be read of a task that is damaged. Raises TaskNotFound, TaskDamaged,
        PreconditionFailed, Conflict after `MAX_TRIES`, and what `make` raises.
        """

        async def attempt() -> tuple[M, int]:
            state = await self._state(tenant, task_id, match, repairs=repairs)
            change = await make(state)
            if change is None:
                work = partial(_as_it_is, tenant, task_id, match)
            else:
                work = partial(self._apply, state, change, match)
            stores_more = change is not None and not change.forgotten  # to forget must always be possible
            origin = None if change is None else change.version.origin
            return await self.commit(work, answer, once, status=status, stores_more=stores_more, origin=origin)

        async with self._turn(tenant, task_id, deadline):
            return await until_kept(attempt, self._metrics.lost_writes.inc)

    async def settle(self, session: AsyncSession, tenant: str, task_id: str, number: int) -> TaskRecord:
        """End a transaction that made the version `number`: what is older than may be kept goes; the task now."""
        if await changes.prune_versions(session, tenant, task_id, number - self._max_versions + 1):
            await transfers.forget_source(session, tenant, task_id, datetime.now(UTC))
        await usage.measure_task(session, tenant, task_id)
        return await _without_gone_labels(session, await find_task(session, tenant, task_id))

    async def _state(self, tenant: str, task_id: str, match: Match, *, repairs: bool) -> State:
        with span("fetch"):
            async with self._database.read() as session:
                record, is_damaged = await find_what_is_left(session, tenant, task_id, match, repairs=repairs)
                examples, damaged = await queries.get_readable_support(session, tenant, task_id, record.version)
                if len(examples) + len(damaged) != record.num_support:
                    raise Lost  # it was written between two statements
                if damaged and not repairs:
                    raise damaged_example(damaged[0])
                next_ordinal = await history.next_ordinal(session, tenant, task_id)
                return State(record, examples, next_ordinal, damaged, is_damaged)

    async def _apply(self, state: State, change: Change, match: Match, session: AsyncSession) -> TaskRecord:
        tenant, task_id, now = state.record.tenant, state.record.id, datetime.now(UTC)
        await keep_sources(session, tenant, change.version)
        number = await changes.move_task(
            session, tenant, task_id, now, match=match, from_version=state.record.version, is_new_version=True
        )
        if number is None:
            if match is None and await queries.get_task(session, tenant, task_id) is not None:
                raise Lost
            raise await why_not(session, tenant, task_id, match)
        for example_id in change.forgotten:
            await changes.forget_example(session, tenant, task_id, example_id)
        if change.forgotten:
            await transfers.forget_source(session, tenant, task_id, now)
        keys = {"tenant": tenant, "task_id": task_id}
        await insert_version(session, keys, with_columns(change.version, columns_of(state.record)), now)
        await insert_examples(session, keys, change.version, change.added, now)
        if change.encoded:
            await changes.replace_features(session, tenant, task_id, change.version.model_digest, change.encoded)
        return await self.settle(session, tenant, task_id, number)

    @asynccontextmanager
    async def _turn(self, tenant: str, task_id: str, deadline: float) -> AsyncIterator[None]:
        """One after another: writers in this process need not lose races to each other, only to other replicas."""
        lock = self._turns.setdefault((tenant, task_id), asyncio.Lock())
        try:
            async with asyncio.timeout(deadline - monotonic()):
                await lock.acquire()
        except TimeoutError:
            raise DeadlineExceeded("Others were writing to this task for too long.", retry_after_s=1) from None
        try:
            yield
        finally:
            lock.release()


async def keep_sources(session: AsyncSession, tenant: str, version: NewVersion) -> None:
    """Hold what a version has learned from until it is stored. Raises Lost if some of that has been forgotten."""
    if version.sources and not await transfers.hold_sources(session, tenant, version.sources):
        raise Lost


async def _without_gone_labels(session: AsyncSession, record: TaskRecord) -> TaskRecord:
    """The task, whose prior names no label any more that none of its examples has."""
    if record.prior is None or isinstance(record.prior, str):
        return record
    known = await history.stored_labels(session, record.tenant, record.id)
    prior = codec.without_others(record.prior, known)
    if prior != record.prior:
        await changes.set_prior(session, record.tenant, record.id, prior)
    return replace(record, prior=prior)


async def _as_it_is(tenant: str, task_id: str, match: Match, session: AsyncSession) -> TaskRecord:
    """The task, which nobody changes, deletes or makes forget before the answer that tells of it has been stored."""
    await queries.hold_task(session, tenant, task_id)
    return await find_task(session, tenant, task_id, match)
