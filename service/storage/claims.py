"""Jobs, as those know them who do them: claimed with a fence and a lease, renewed, handed back, ended, and reaped.

Every statement after the claim holds its fence: once a job was given to another, or is over, nothing comes of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Text, Update, bindparam, case, column, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.storage.clock import from_now
from service.storage.jobs import OPEN, delete_body, insert_body
from service.storage.json_rows import json_rows
from service.storage.straight import Straight
from service.storage.tables import Job, JobBody, UtcDateTime


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job to do now. Without a payload its task has been deleted."""

    tenant: str
    id: str
    kind: str
    task_id: str
    match: list[int] | None
    fence: int
    is_slow: bool
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A job whose process has vanished, and whether that was one too many."""

    tenant: str
    id: str
    is_over: bool


async def is_any_queued(
    session: AsyncSession | AsyncConnection | Straight, kinds: Sequence[str], *, may_be_slow: bool = True
) -> bool:
    """Whether any tenant's job of these kinds waits."""
    return any(await session.execute(_WAITING if may_be_slow else _QUICK_WAITING, _of(kinds)))


async def claim_job(
    session: AsyncSession, kinds: Sequence[str], lease_s: float, now: datetime, *, may_be_slow: bool = True
) -> ClaimedJob | None:
    """Take the job of any tenant whose turn it is, of a kind that this process knows; slow ones only if they may be.

    None if none waits, or others are taking it just now.
    """
    waiting = (_WAITING if may_be_slow else _QUICK_WAITING).with_for_update(skip_locked=True, of=Job)
    found = (await session.execute(waiting, _of(kinds))).one_or_none()
    if found is None:
        return None
    tenant, job_id = found
    values = {"state": "running", "fence": Job.fence + 1, "num_done": 0, "lease_until": from_now(lease_s)}
    moment = literal(now, UtcDateTime())  # read before the wait for the database: the job may be younger
    values["started_at"] = func.coalesce(Job.started_at, case((Job.created_at > moment, Job.created_at), else_=moment))
    claimed = update(Job).where(Job.tenant == tenant, Job.id == job_id).values(values)
    taken = claimed.returning(Job.tenant, Job.id, Job.kind, Job.task_id, Job.match, Job.fence, Job.is_slow)
    row = (await session.execute(taken, execution_options={"synchronize_session": False})).one()
    asked = select(JobBody.data).where(JobBody.tenant == tenant, JobBody.job_id == job_id)
    return ClaimedJob(*row, (await session.execute(asked)).scalar_one_or_none())


async def renew(session: AsyncSession, tenant: str, job_id: str, fence: int, *, num_done: int, lease_s: float) -> bool:
    """Hold a job for longer, and tell how far it is; false if it is held no more."""
    values: dict[str, Any] = {"lease_until": from_now(lease_s), "num_done": num_done}
    return await _changed(session, _held(tenant, job_id, fence).values(values))


async def hand_back(session: AsyncSession, tenant: str, job_id: str, fence: int) -> bool:
    """Let another do the job, at its old turn; false if it was held no more."""
    values = {"state": "queued", "lease_until": None, "num_done": 0}
    return await _changed(session, _held(tenant, job_id, fence).values(values))


async def end_job(
    session: AsyncSession,
    tenant: str,
    job_id: str,
    fence: int,
    now: datetime,
    *,
    task_id: str | None = None,
    answer: bytes | None = None,
    problem: dict[str, Any] | None = None,
) -> bool:
    """End a job with its answer or its problem, and erase what it was asked; false if it is held no more."""
    state: Literal["succeeded", "failed"] = "failed" if answer is None else "succeeded"
    values: dict[str, Any] = {"state": state, "finished_at": now, "lease_until": None, "problem": problem}
    if answer is not None:
        values["num_done"] = Job.num_total
    if not await _changed(session, _held(tenant, job_id, fence).values(values)):
        return False
    await delete_body(session, tenant, job_id)
    if answer is not None:
        await insert_body(session, tenant, job_id, task_id, answer)
    return True


async def is_any_lapsed(session: AsyncSession) -> bool:
    """Whether any job is held beyond its lease."""
    return (await session.execute(_LAPSED)).one_or_none() is not None


async def reap(session: AsyncSession, now: datetime, *, max_losses: int, problem: dict[str, Any]) -> list[Lapsed]:
    """Let others do what is held beyond its lease, by the database's clock; fail what too many were lost over."""
    lapsed = update(Job).where(Job.state == "running", Job.lease_until < from_now(0.0))
    is_last = Job.num_losses + 1 >= max_losses
    values = {"num_losses": Job.num_losses + 1, "num_done": 0, "lease_until": None}
    values["state"] = case((is_last, "failed"), else_="queued")
    values["finished_at"] = case((is_last, literal(now, UtcDateTime())))
    told = lapsed.values(values).returning(Job.tenant, Job.id, Job.state)
    rows = await session.execute(told, execution_options={"synchronize_session": False})
    found = [Lapsed(tenant, job_id, state == "failed") for tenant, job_id, state in rows]
    for job in found:
        if job.is_over:
            its_row = update(Job).where(Job.tenant == job.tenant, Job.id == job.id)
            await _changed(session, its_row.values(problem=problem))
            await delete_body(session, job.tenant, job.id)
    return found


async def count_open(session: AsyncSession) -> dict[str, int]:
    """How many jobs of all tenants wait, and how many are being done."""
    rows = await session.execute(_COUNTED)
    return dict.fromkeys(OPEN, 0) | {row[0]: row[1] for row in rows}


_LAPSED = select(Job.id).where(Job.state == "running", Job.lease_until < from_now(0.0)).limit(1)
_COUNTED = select(Job.state, func.count()).where(Job.state.in_(OPEN)).group_by(Job.state)


# one statement whatever the kinds: it runs many times a second
_kinds = json_rows(bindparam("kinds", type_=Text())).table_valued(column("value", JSON))
_WAITING = (
    select(Job.tenant, Job.id)
    .where(Job.state == "queued", Job.kind.in_(select(_kinds.c.value[0].as_string())))
    .order_by(Job.turn, Job.id)
    .limit(1)
)
_QUICK_WAITING = _WAITING.where(Job.is_slow.is_(False))


def _of(kinds: Sequence[str]) -> dict[str, str]:
    return {"kinds": json.dumps([[kind] for kind in kinds])}


def _held(tenant: str, job_id: str, fence: int) -> Update:
    return update(Job).where(Job.tenant == tenant, Job.id == job_id, Job.fence == fence, Job.state == "running")


async def _changed(session: AsyncSession, statement: Update) -> bool:
    result = await session.execute(statement.returning(Job.id), execution_options={"synchronize_session": False})
    return result.one_or_none() is not None
