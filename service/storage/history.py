"""What is known of a task's past and of what it was taught: its versions and the examples of each."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Integer, Text, and_, bindparam, column, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import JSON

from service.storage.json_rows import json_rows
from service.storage.readable import damaged_example, read_apart
from service.storage.records import Fetched, Member, VersionRecord, WholeVersion, read_outlook, read_slots
from service.storage.tables import Example, Membership, Params, Task, Version


async def list_versions(session: AsyncSession, tenant: str, task_id: str) -> list[VersionRecord]:
    """The retained versions that can be read, newest first."""
    statement = _VERSIONS.where(Version.tenant == tenant, Version.task_id == task_id)
    rows, _ = await read_apart(session, statement.order_by(Version.number.desc()), Version.number)
    return [_version(*row) for row in rows]


async def get_version(session: AsyncSession, tenant: str, task_id: str, number: int) -> VersionRecord | None:
    """One version, if it is retained."""
    statement = _VERSIONS.where(Version.tenant == tenant, Version.task_id == task_id, Version.number == number)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _version(*row)


async def get_whole_version(
    session: AsyncSession, tenant: str, task_id: str, number: int | None
) -> WholeVersion | None:
    """One version with its params, the current one if none is named; in one statement, so that all of it fits."""
    wanted = Version.number == (Task.version if number is None else number)
    statement = _WHOLE.where(Task.tenant == tenant, Task.id == task_id, wanted)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else WholeVersion(*[*row[:-1], read_outlook(row[-1])])


async def list_members(
    session: AsyncSession, tenant: str, task_id: str, *, version: int, limit: int, after: int
) -> list[Member]:
    """A page of a version's examples, from behind the ordinal `after`."""
    values = {"tenant": tenant, "task_id": task_id, "version": version, "limit": limit, "after": after}
    rows, damaged = await read_apart(session, _MEMBERS, Example.example_id, values)
    if damaged:
        raise damaged_example(damaged[0])
    return [_member(*row) for row in rows]


async def has_example(session: AsyncSession, tenant: str, task_id: str, example_id: str) -> bool:
    """Whether a retained version of the task has this example."""
    statement = select(Example.ordinal).where(
        Example.tenant == tenant, Example.task_id == task_id, Example.example_id == example_id
    )
    return (await session.execute(statement.limit(1))).one_or_none() is not None


async def stored_labels(session: AsyncSession, tenant: str, task_id: str) -> set[str]:
    """Every label that an example of a retained version has, of those that exclude each other."""
    found = select(Example.label).where(
        Example.tenant == tenant, Example.task_id == task_id, Example.label.is_not(None)
    )
    return set(map(str, await session.scalars(found.distinct())))


async def count_labels(session: AsyncSession, tenant: str, task_id: str, version: int) -> dict[str, int]:
    """How many examples, or names, of each label a version was adapted to; of labels that exclude each other.

    Nothing of a version that is gone, or that has forgotten some since.
    """
    values = {"tenant": tenant, "task_id": task_id, "version": version}
    rows = (await session.execute(_COUNTS, values)).all()
    is_whole = sum(count for _, count, _ in rows) == next((num_support for *_, num_support in rows), None)
    return {str(label): count for label, count, _ in rows} if is_whole else {}


async def next_ordinal(session: AsyncSession, tenant: str, task_id: str) -> int:
    """The first number that no example of the task has."""
    last = select(func.max(Example.ordinal)).where(Example.tenant == tenant, Example.task_id == task_id)
    found = (await session.execute(last)).scalar_one()
    return 0 if found is None else found + 1


async def current_versions(session: AsyncSession, tasks: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The version that each of these (tenant, task) is at, in one statement; a task that is gone is absent."""
    rows = await session.execute(_CURRENT, {"wanted": json.dumps(list(tasks))})
    return {(tenant, task_id): version for tenant, task_id, version in rows}


async def fetch_versions(
    session: AsyncSession, wanted: Sequence[tuple[str, str, int]]
) -> dict[tuple[str, str, int], Fetched]:
    """These (tenant, task, version) with their params, in one statement; what is gone or erased is absent."""
    rows = await session.execute(_RETAINED, {"wanted": json.dumps(list(wanted))})
    return {
        (row.tenant, row.task_id, row.number): Fetched(row.number, row.model_digest, row.labels, row.data, row.digest)
        for row in rows
    }


def _version(*row: Any) -> VersionRecord:
    """Of a row that ends with the tasks that the version learned from, and what was told of it, if there are any."""
    *columns, transferred_from, outlook = row
    return VersionRecord(*[*columns, transferred_from or [], read_outlook(outlook)])


def _member(*row: Any) -> Member:
    """Of a row that ends with the several labels of an example, if it has them in the place of one."""
    *columns, slots, labels = row
    member = Member(*[*columns, read_slots(slots)])
    return member if labels is None else replace(member, label=labels)


_its_params = and_(Params.task_id == Version.task_id, Params.number == Version.number)

_VERSIONS = select(
    Version.number,
    Version.model_digest,
    Version.labels,
    Version.num_support,
    Version.support_digest,
    Version.created_at,
    Version.origin,
    Params.number.is_not(None),
    Version.transferred_from,
    Params.outlook,
).outerjoin(Params, _its_params)

_WHOLE = (
    select(
        Task.name,
        Task.model,
        Task.kind,
        Task.metadata_,
        Version.number,
        Version.model_digest,
        Version.labels,
        Version.output_dim,
        Version.num_support,
        Version.support_digest,
        Version.dtype,
        Version.libraries,
        Version.seed,
        Version.created_at,
        Version.origin,
        Params.data,
        Params.digest,
        Task.prior,
        Version.transferred_from,
        Version.preprocessing,
        Params.outlook,
    )
    .select_from(Task)
    .join(Version, Version.task_id == Task.id)
    .outerjoin(Params, and_(Params.task_id == Version.task_id, Params.number == Version.number))
)

# A subquery, as for the support of a version: see there.
_since = (
    select(Membership.since_version)
    .where(
        Membership.task_id == Example.task_id,
        Membership.ordinal == Example.ordinal,
        Membership.since_version <= bindparam("version"),
        or_(Membership.until_version.is_(None), Membership.until_version > bindparam("version")),
    )
    .scalar_subquery()
)

_MEMBERS = (
    select(
        Example.example_id,
        Example.ordinal,
        Example.label,
        Example.target,
        Example.created_at,
        _since,
        Example.role,
        Example.slots,
        Example.labels,
    )
    .where(
        Example.tenant == bindparam("tenant"),
        Example.task_id == bindparam("task_id"),
        Example.ordinal > bindparam("after"),
        _since.is_not(None),
    )
    .order_by(Example.ordinal)
    .limit(bindparam("limit", type_=Integer()))
)

_COUNTS = (
    select(
        Example.label,
        func.count(),
        select(Version.num_support)
        .where(
            Version.tenant == bindparam("tenant"),
            Version.task_id == bindparam("task_id"),
            Version.number == bindparam("version"),
        )
        .scalar_subquery(),
    )
    .where(Example.tenant == bindparam("tenant"), Example.task_id == bindparam("task_id"), _since.is_not(None))
    .group_by(Example.label)
)

_wanted = json_rows(bindparam("wanted", type_=Text())).table_valued(column("value", JSON), name="wanted")

_CURRENT = select(Task.tenant, Task.id, Task.version).join_from(
    _wanted, Task, and_(Task.tenant == _wanted.c.value[0].as_string(), Task.id == _wanted.c.value[1].as_string())
)

_RETAINED = (
    select(
        Version.tenant,
        Version.task_id,
        Version.number,
        Version.model_digest,
        Version.labels,
        Params.data,
        Params.digest,
    )
    .join_from(
        _wanted,
        Version,
        and_(
            Version.tenant == _wanted.c.value[0].as_string(),
            Version.task_id == _wanted.c.value[1].as_string(),
            Version.number == _wanted.c.value[2].as_integer(),
        ),
    )
    .join(Params, and_(Params.task_id == Version.task_id, Params.number == Version.number))
)
