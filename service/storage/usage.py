"""What tenants have stored, as functions of a session: each task knows its size, so that a sum over tasks tells.

A task that code of before sizes has written to, or stored, moved on without being measured: then its rows are counted.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, case, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from service.storage.tables import Example, Features, OwnParams, Params, Task


@dataclass(frozen=True, slots=True)
class Usage:
    """What one tenant has stored; bytes are those of inputs, features and params."""

    num_tasks: int
    num_examples: int
    num_bytes: int


async def get_usage(session: AsyncSession, tenant: str) -> Usage:
    """What a tenant has stored now."""
    return Usage(*(await session.execute(_USAGE.where(Task.tenant == tenant))).one())


async def hold_tenant(session: AsyncSession, tenant: str) -> None:
    """Let nobody else who holds this tenant go on until the transaction is over; the last lock that it takes.

    On SQLite whoever writes is alone already.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(tenant, 0))))


async def measure_task(session: AsyncSession, tenant: str, task_id: str) -> None:
    """Note how large a task has become, with all versions that are kept."""
    await _measure(session, Task.tenant == tenant, Task.id == task_id)


async def measure_stale(session: AsyncSession, limit: int) -> int:
    """Measure tasks of any tenant that have not been since they were written, at most so many; how many it were."""
    stale = select(Task.tenant, Task.id).where(_is_stale).limit(limit)
    found = [(tenant, id_) for tenant, id_ in await session.execute(stale.with_for_update(skip_locked=True))]
    if found:
        await _measure(session, tuple_(Task.tenant, Task.id).in_(found))
    return len(found)


async def _measure(session: AsyncSession, *where: ColumnElement[bool]) -> None:
    values = {"num_examples": _num_examples, "num_bytes": _num_bytes, "measured_revision": Task.revision}
    await session.execute(update(Task).where(*where).values(values), execution_options={"synchronize_session": False})


def wrongly_measured() -> Select[str, str]:
    """Tasks of any tenant that are not as large as is noted of them, though it is since they were last written."""
    is_wrong = or_(Task.num_examples != _num_examples, Task.num_bytes != _num_bytes)
    return select(Task.tenant, Task.id).where(~_is_stale, is_wrong)


def _sum(column: InstrumentedAttribute[bytes], task_id: InstrumentedAttribute[str]) -> ColumnElement[int]:
    total = select(func.coalesce(func.sum(func.length(column)), 0)).where(task_id == Task.id)
    return total.correlate(Task).scalar_subquery()


_num_examples = (
    select(func.count()).select_from(Example).where(Example.task_id == Task.id).correlate(Task).scalar_subquery()
)
_num_bytes = (
    _sum(Example.input, Example.task_id)
    + _sum(Features.data, Features.task_id)
    + _sum(Params.data, Params.task_id)
    + _sum(OwnParams.data, OwnParams.task_id)
)
_is_stale = Task.measured_revision != Task.revision

_USAGE = select(
    func.count(),
    func.coalesce(func.sum(case((_is_stale, _num_examples), else_=Task.num_examples)), 0),
    func.coalesce(func.sum(case((_is_stale, _num_bytes), else_=Task.num_bytes)), 0),
).select_from(Task)
