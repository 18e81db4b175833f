"""Jobs, as their tenants know them: accepted, found, listed, cancelled, and forgotten when they are long over.

A transaction that touches several tables takes its locks in one order: the task, the job, the job's body.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import JSON, Text, and_, bindparam, column, delete, exists, func, insert, null, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.json_rows import json_rows
from service.storage.tables import Job, JobBody

State: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]

OPEN: Final = ("queued", "running")
MAX_EXPIRED = 1_000  # rows of one statement, so that it holds its locks briefly


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done later. Its size is its cost, where tenants take turns."""

    tenant: str
    id: str
    kind: str
    task_id: str
    size: int
    match: list[int] | None
    payload: bytes
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as stored; its answer is there once it has succeeded, and goes when the task goes or forgets."""

    tenant: str
    id: str
    kind: str
    state: State
    task_id: str
    num_done: int
    num_total: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    problem: dict[str, Any] | None
    answer: bytes | None


async def num_queued(session: AsyncSession, tenant: str) -> int:
    """How many jobs of a tenant wait."""
    waiting = select(func.count()).select_from(Job).where(Job.tenant == tenant, Job.state == "queued")
    return (await session.execute(waiting)).scalar_one()


async def insert_job(session: AsyncSession, job: NewJob, now: datetime) -> JobRecord:
    """Let a job wait for its turn.

    Turns are as in start-time fair queueing: behind what its tenant has waiting, and by as much as that is; who had
    nothing waiting begins beside whoever is next.
    """
    first = select(Job.turn).where(Job.state == "queued").order_by(Job.turn).limit(1)
    last = select(func.max(Job.turn)).where(Job.tenant == job.tenant, Job.state == "queued")
    turns = [(await session.execute(each)).scalar_one_or_none() or 0 for each in (first, last)]
    row: dict[str, Any] = {
        "turn": max(turns) + job.size,
        "fence": 0,
        "num_losses": 0,
        "num_done": 0,
        "num_total": job.size,
        "is_slow": job.is_slow,
    }
    row |= {"kind": job.kind, "state": "queued", "task_id": job.task_id, "match": job.match, "created_at": now}
    await session.execute(insert(Job), {"tenant": job.tenant, "id": job.id} | row)
    task = None if job.kind == "adapt" else job.task_id
    await insert_body(session, job.tenant, job.id, task, job.payload)
    return JobRecord(job.tenant, job.id, job.kind, "queued", job.task_id, 0, job.size, now, None, None, None, None)


async def insert_body(session: AsyncSession, tenant: str, job_id: str, task_id: str | None, data: bytes) -> None:
    """Keep what a job was asked, or what it answered; with the task that takes it along when it goes."""
    row = {"tenant": tenant, "job_id": job_id, "task_id": task_id, "data": data}
    await session.execute(insert(JobBody), row)


async def delete_body(session: AsyncSession, tenant: str, job_id: str) -> None:
    """Erase what a job was asked."""
    gone = delete(JobBody).where(JobBody.tenant == tenant, JobBody.job_id == job_id)
    await session.execute(gone, execution_options={"synchronize_session": False})


async def delete_answers(session: AsyncSession, tenant: str, task_id: str) -> None:
    """Erase what jobs have answered about a task; what those that are not over were asked stays."""
    own = JobBody.tenant == tenant, JobBody.task_id == task_id
    is_answer = exists().where(Job.tenant == tenant, Job.id == JobBody.job_id, Job.state == "succeeded")
    await session.execute(delete(JobBody).where(*own, is_answer), execution_options={"synchronize_session": False})


async def get_job(session: AsyncSession, tenant: str, job_id: str) -> JobRecord | None:
    """The job, if this tenant has it."""
    row = (await session.execute(_JOBS.where(Job.tenant == tenant, Job.id == job_id))).one_or_none()
    return None if row is None else _record(row)


async def get_jobs(session: AsyncSession, wanted: Sequence[tuple[str, str]]) -> list[JobRecord]:
    """The jobs of these tenants and ids that there are."""
    return [_record(row) for row in await session.execute(_WATCHED, {"wanted": json.dumps(list(wanted))})]


async def list_jobs(
    session: AsyncSession, tenant: str, *, limit: int, after: str | None, state: State | None
) -> list[JobRecord]:
    """A page of a tenant's jobs, newest first, from behind the id `after`; without answers, which may be long."""
    statement = _LISTED.where(Job.tenant == tenant).order_by(Job.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(Job.id < after)
    if state is not None:
        statement = statement.where(Job.state == state)
    return [_record(row) for row in await session.execute(statement)]


async def cancel_job(session: AsyncSession, tenant: str, job_id: str, now: datetime) -> bool:
    """End an open job without effect, and erase what it was asked; false if it was over already, or never was."""
    cancelled = update(Job).where(Job.tenant == tenant, Job.id == job_id, Job.state.in_(OPEN))
    values = {"state": "cancelled", "finished_at": now, "lease_until": None}
    result = await session.execute(
        cancelled.values(values).returning(Job.id), execution_options={"synchronize_session": False}
    )
    if result.one_or_none() is None:
        return False
    await delete_body(session, tenant, job_id)
    return True


async def expire_jobs(session: AsyncSession, before: datetime) -> int:
    """Forget the jobs of any tenant that were over before a moment, at most `MAX_EXPIRED`; how many there were."""
    oldest = select(Job.tenant, Job.id).where(Job.finished_at < before).order_by(Job.finished_at).limit(MAX_EXPIRED)
    gone = delete(Job).where(tuple_(Job.tenant, Job.id).in_(oldest))
    return len((await session.execute(gone.returning(Job.id))).all())


_COLUMNS = (
    Job.tenant,
    Job.id,
    Job.kind,
    Job.state,
    Job.task_id,
    Job.num_done,
    Job.num_total,
    Job.created_at,
    Job.started_at,
    Job.finished_at,
    Job.problem,
    JobBody.data,
)
_ANSWER = and_(Job.state == "succeeded", JobBody.tenant == Job.tenant, JobBody.job_id == Job.id)
_JOBS = select(*_COLUMNS).outerjoin(JobBody, _ANSWER)
_LISTED = select(*_COLUMNS[:-1], null())

_wanted = json_rows(bindparam("wanted", type_=Text())).table_valued(column("value", JSON), name="wanted")
_WATCHED = (
    select(*_COLUMNS)
    .select_from(_wanted)
    .join(Job, and_(Job.tenant == _wanted.c.value[0].as_string(), Job.id == _wanted.c.value[1].as_string()))
    .outerjoin(JobBody, _ANSWER)
)


def _record(row: Sequence[Any]) -> JobRecord:
    return JobRecord(*row)
