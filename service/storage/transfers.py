"""Versions that learned from other tasks: what they may learn from, and what happens when that is to be forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.changes import PLAIN, copy_rows, move_task
from service.storage.inserts import GENERATION
from service.storage.readable import read_apart
from service.storage.records import Source
from service.storage.tables import (
    Example,
    Features,
    Membership,
    OwnParams,
    Params,
    Task,
    Training,
    Transfer,
    UtcDateTime,
    Version,
)
from service.storage.usage import measure_task

MAX_LOOKED_AT = 200  # tasks of which the labels are read


@dataclass(frozen=True, slots=True)
class Earlier:
    """A task that another may learn from, as of its current version."""

    source: Source
    labels: list[str] | None
    output_dim: int | None


@dataclass(frozen=True, slots=True)
class Taught:
    """One row of it: what it was labelled with, and what the model made of it or, if it makes nothing, the row."""

    label: str | None
    target: float | list[float] | None
    data: bytes


async def earlier_tasks(
    session: AsyncSession, tenant: str, model_digest: str, kind: str, form: str | None, among: Sequence[str] | None
) -> list[Earlier]:
    """Tasks of this tenant on this digest of a model, newest first; only those `among` these, if any are named.

    Where a model leaves open what its inputs are, those whose inputs are of this form.
    """
    current = and_(Version.task_id == Task.id, Version.number == Task.version)
    columns = (Task.id, Task.version, Version.num_support, Version.labels, Version.output_dim)
    found = (
        select(*columns)
        .join(Version, current)
        .where(Task.tenant == tenant, Task.kind == kind, Version.model_digest == model_digest)
        .order_by(Task.id.desc())
        .limit(MAX_LOOKED_AT)
    )
    if form is not None:
        found = found.where(Version.preprocessing["form"].as_string() == form)
    if among is not None:
        found = found.where(Task.id.in_(among))
    rows, _ = await read_apart(session, found, Task.id)
    return [Earlier(Source(*row[:3]), *row[3:]) for row in map(tuple[Any, ...], rows)]


async def taught_by(
    session: AsyncSession, tenant: str, source: Source, model_digest: str, *, has_features: bool, limit: int
) -> list[Taught]:
    """The newest examples of a task's version, names of labels left out."""
    data: Any = Example.input
    if has_features:
        data = _features(model_digest)
    found = (
        select(Example.label, Example.target, data)
        .where(
            Example.tenant == tenant,
            Example.task_id == source.task_id,
            Example.role == "example",
            _is_in(source.version),
        )
        .order_by(Example.ordinal.desc())
        .limit(limit)
    )
    rows, _ = await read_apart(session, found, Example.example_id)
    return [Taught(*row) for row in map(tuple[Any, ...], rows) if row[2] is not None]


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
        left = select(func.count()).where(Membership.task_id == source.task_id, _covers(source.version))
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


def _features(model_digest: str) -> Any:
    return (
        select(Features.data)
        .where(
            Features.task_id == Example.task_id,
            Features.ordinal == Example.ordinal,
            Features.model_digest == model_digest,
        )
        .scalar_subquery()
    )


def _is_in(version: int) -> Any:
    since = select(Membership.since_version).where(
        Membership.task_id == Example.task_id, Membership.ordinal == Example.ordinal, _covers(version)
    )
    return since.scalar_subquery().is_not(None)


def _covers(version: int) -> Any:
    until = Membership.until_version
    return and_(Membership.since_version <= version, or_(until.is_(None), until > version))
