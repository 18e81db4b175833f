"""What a new task may learn from: a tenant's earlier tasks and what they were taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.storage.changes import covers
from service.storage.readable import is_as_stored, read_apart
from service.storage.records import Source
from service.storage.tables import Example, Features, Membership, Task, Version

MAX_LOOKED_AT = 200  # tasks of which the labels are read


@dataclass(frozen=True, slots=True)
class Earlier:
    """A task that another may learn from, as of its current version."""

    source: Source
    labels: list[str] | None
    output_dim: int | None
    preprocessing: dict[str, Any] | None  # what made its inputs ready


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
    columns = (Task.id, Task.version, Version.num_support, Version.labels, Version.output_dim, Version.preprocessing)
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
    """The newest examples of a task's version that are as they were stored, names of labels left out."""
    data: Any = Example.input
    checksum: Any = Example.checksum
    if has_features:
        data, checksum = _of_features(Features.data, model_digest), _of_features(Features.checksum, model_digest)
    found = (
        select(Example.label, Example.target, data, checksum)
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
    return [
        Taught(label, target, data)
        for label, target, data, checksum in map(tuple[Any, ...], rows)
        if data is not None and is_as_stored(data, checksum)
    ]


def _of_features(column: Any, model_digest: str) -> Any:
    return (
        select(column)
        .where(
            Features.task_id == Example.task_id,
            Features.ordinal == Example.ordinal,
            Features.model_digest == model_digest,
        )
        .scalar_subquery()
    )


def _is_in(version: int) -> Any:
    since = select(Membership.since_version).where(
        Membership.task_id == Example.task_id, Membership.ordinal == Example.ordinal, covers(version)
    )
    return since.scalar_subquery().is_not(None)
