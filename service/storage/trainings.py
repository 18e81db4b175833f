"""Models that were trained on tasks: who allows that, what they learn from, and which must be trained anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.changes import PLAIN
from service.storage.records import Source
from service.storage.tables import Task, Tenant, Training, Version
from service.storage.transfers import hold_sources


@dataclass(frozen=True, slots=True)
class Trainable:
    """A task that may be trained on, as of its current version, and what made its inputs ready."""

    source: Source
    preprocessing: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Stale:
    """A model that was trained on what has been forgotten since: when that began, and of how many tasks."""

    tenant: str
    model: str
    model_digest: str
    since: str  # ISO 8601
    num_tasks: int


async def allow(session: AsyncSession, tenant: str, *, is_allowed: bool) -> None:
    """Say whether models may be trained on this tenant's tasks."""
    changed = update(Tenant).where(Tenant.tenant == tenant).values(train_from_tasks=is_allowed).returning(Tenant.tenant)
    if (await session.execute(changed, execution_options=PLAIN)).one_or_none() is None:
        await session.execute(insert(Tenant), {"tenant": tenant, "train_from_tasks": is_allowed})


async def is_allowed(session: AsyncSession, tenant: str) -> bool:
    """Whether they may; not unless somebody said so."""
    found = await session.execute(select(Tenant.train_from_tasks).where(Tenant.tenant == tenant))
    return bool(found.scalar_one_or_none())


async def list_tenants(session: AsyncSession) -> list[tuple[str, bool]]:
    """Every tenant of whom something was said."""
    rows = await session.execute(select(Tenant.tenant, Tenant.train_from_tasks).order_by(Tenant.tenant))
    return [(tenant, is_on) for tenant, is_on in rows]


async def trainable_tasks(session: AsyncSession, tenant: str, model: str) -> list[Trainable]:
    """The tenant's classifications of a model, whatever their digest, oldest first."""
    found = (
        select(Task.id, Task.version, Version.num_support, Version.preprocessing)
        .join(Version, and_(Version.task_id == Task.id, Version.number == Task.version))
        .where(Task.tenant == tenant, Task.model == model, Task.kind == "classification")
        .order_by(Task.id)
    )
    return [Trainable(Source(*row[:3]), row[3]) for row in await session.execute(found)]


async def note(
    session: AsyncSession, tenant: str, model: str, model_digest: str, sources: Sequence[Source], now: datetime
) -> None:
    """Keep in mind what a model was trained on; some of that may have been forgotten while it was."""
    for source in sorted(sources, key=lambda source: source.task_id):
        is_whole = await hold_sources(session, tenant, [source])
        row = {"tenant": tenant, "task_id": source.task_id, "model_digest": model_digest, "model": model}
        await session.execute(insert(Training), row | {"forgotten_at": None if is_whole else now})


async def stale_models(session: AsyncSession) -> list[Stale]:
    """Those of all tenants that should be trained anew."""
    found = (
        select(Training.tenant, Training.model, Training.model_digest, func.min(Training.forgotten_at), func.count())
        .where(Training.forgotten_at.is_not(None))
        .group_by(Training.tenant, Training.model, Training.model_digest)
        .order_by(Training.tenant, Training.model, Training.model_digest)
    )
    made = []
    for tenant, model, digest, since, number in await session.execute(found):
        assert since is not None  # there are none but marked ones
        made.append(Stale(tenant, model, digest, since.isoformat(timespec="minutes"), number))
    return made
