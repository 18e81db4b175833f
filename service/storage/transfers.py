"""Versions that learned from other tasks: held while they are stored, and alone again when that is to be forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.changes import PLAIN, copy_rows, covers, move_task
from service.storage.inserts import GENERATION
from service.storage.records import Source
from service.storage.tables import Membership, OwnParams, Params, Task, Training, Transfer, UtcDateTime, Version
from service.storage.usage import measure_task


@dataclass(frozen=True, slots=True)
class Alone:
    """Params that were made without any other task."""

    data: bytes
    digest: str


async def own_params(session: AsyncSession, tenant: str, task_id: str, number: int) -> Alone | None:
    """Those of a version that learned from other tasks."""
    mine = select(OwnParams.data, OwnParams.digest).where(
        OwnParams.tenant == tenant, OwnParams.task_id == task_id, OwnParams.number == number
    )
    row = (await session.execute(mine)).one_or_none()
    return None if row is None else Alone(*row)


async def hold_sources(session: AsyncSession, tenant: str, sources: Sequence[Source]) -> bool:
    """Let nobody forget what a version is about to be stored as learned from; false if somebody did already.

    First in its transaction and in the order of ids, as whoever forgets locks a source before what learned from it.
    """
    for source in sorted(sources, key=lambda source: source.task_id):
        held = select(Task.id).where(Task.tenant == tenant, Task.id == source.task_id).with_for_update(read=True)
        if (await session.execute(held)).one_or_none() is None:
            return False
        left = select(func.count()).where(Membership.task_id == source.task_id, covers(source.version))
        if (await session.execute(left)).scalar_one() != source.num_support:
            return False
    return True


async def forget_source(session: AsyncSession, tenant: str, source_id: str, now: datetime) -> None:
    """Erase all that was learned from a task, whose row is locked: what learned from it goes on with its own examples.

    A task whose current version is among that gets a next one, of the params that were made without any other task. And
    models that were trained on it are marked.
    """
    marked = update(Training).where(Training.tenant == tenant, Training.task_id == source_id)
    marked = marked.where(Training.forgotten_at.is_(None)).values(forgotten_at=now)
    await session.execute(marked, execution_options=PLAIN)
    learned = select(Transfer.task_id).where(Transfer.tenant == tenant, Transfer.source_id == source_id)
    for task_id in (await session.scalars(learned.distinct().order_by(Transfer.task_id))).all():
        await _go_on_alone(session, tenant, task_id, source_id, now)


async def delete_expired(session: AsyncSession, before: datetime, limit: int) -> int:
    """Delete tasks of any tenant that were last written before this moment, at most so many; how many it were."""
    oldest = select(Task.tenant, Task.id).where(Task.updated_at < before).order_by(Task.updated_at).limit(limit)
    doomed = [(tenant, task_id) for tenant, task_id in await session.execute(oldest.with_for_update(skip_locked=True))]
    if not doomed:
        return 0
    now = datetime.now(UTC)
    for tenant, source_id in doomed:
        await forget_source(session, tenant, source_id, now)
    # the moment is not compared again: the rows have been locked since they were found, or are the only writer's
    gone = delete(Task).where(tuple_(Task.tenant, Task.id).in_(doomed)).returning(Task.id)
    return len((await session.execute(gone, execution_options=PLAIN)).all())


async def _go_on_alone(session: AsyncSession, tenant: str, task_id: str, source_id: str, now: datetime) -> None:
    current = select(Task.version).where(Task.tenant == tenant, Task.id == task_id)
    number = (await session.execute(current.with_for_update())).scalar_one_or_none()
    if number is None:  # deleted meanwhile
        return
    learned = select(Transfer.number).where(Transfer.task_id == task_id, Transfer.source_id == source_id)
    tainted = (await session.scalars(learned.where(Transfer.tenant == tenant))).all()  # locked, so none can be added
    if number in tainted:
        moved = await move_task(session, tenant, task_id, now, is_new_version=True)
        made: dict[str, Any] = {"number": literal(moved), "origin": literal("forget")}
        own = and_(Version.tenant == tenant, Version.task_id == task_id, Version.number == number)
        made |= {
            "created_at": literal(now, UtcDateTime()),
            "generation": literal(GENERATION),
            "transferred_from": literal(None, Version.transferred_from.type),
        }
        await copy_rows(session, Version, made, own)
        alone = and_(OwnParams.tenant == tenant, OwnParams.task_id == task_id, OwnParams.number == number)
        await copy_rows(session, OwnParams, {"number": literal(moved)}, alone, into=Params)
    for table in (Params, OwnParams, Transfer):
        mine = and_(table.tenant == tenant, table.task_id == task_id, table.number.in_(tainted))
        await session.execute(delete(table).where(mine), execution_options=PLAIN)
    await measure_task(session, tenant, task_id)
