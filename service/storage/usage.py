"""What tenants have stored, as functions of a session: each task knows its size, so that a sum over tasks tells."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, update
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
    num_examples = select(func.count()).select_from(Example).where(Example.task_id == task_id).scalar_subquery()
    num_bytes = (
        _sum(Example.input, Example.task_id == task_id)
        + _sum(Features.data, Features.task_id == task_id)
        + _sum(Params.data, Params.task_id == task_id)
        + _sum(OwnParams.data, OwnParams.task_id == task_id)
    )
    measured = update(Task).where(Task.tenant == tenant, Task.id == task_id)
    values = {"num_examples": num_examples, "num_bytes": num_bytes}
    await session.execute(measured.values(values), execution_options={"synchronize_session": False})


def _sum(column: InstrumentedAttribute[bytes], where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.coalesce(func.sum(func.length(column)), 0)).where(where).scalar_subquery()


_USAGE = select(
    func.count(),
    func.coalesce(func.sum(Task.num_examples), 0),
    func.coalesce(func.sum(Task.num_bytes), 0),
).select_from(Task)
