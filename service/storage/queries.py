"""Tasks: stored, found, listed, deleted, and what an adaptation or a prediction needs of them."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, Select, Text, and_, bindparam, case, column, delete, null, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.storage.inserts import insert_examples, insert_rows, insert_version
from service.storage.json_rows import json_rows
from service.storage.matching import Match, is_match
from service.storage.readable import damaged_example, is_as_stored, read_apart
from service.storage.records import (
    ExampleRecord,
    Fetched,
    NewTask,
    NewVersion,
    TaskRecord,
    Wanted,
    read_outlook,
    read_slots,
)
from service.storage.straight import Straight
from service.storage.tables import Example, Features, Membership, Params, Task, Version
from service.storage.transfers import forget_source

log = logging.getLogger(__name__)


async def insert_task(
    session: AsyncSession, task: NewTask, version: NewVersion, examples: Sequence[ExampleRecord], now: datetime
) -> TaskRecord:
    """Store a new task whole; six statements at most, whatever the number of examples."""
    keys: dict[str, Any] = {"tenant": task.tenant, "task_id": task.id}
    made = {
        "tenant": task.tenant,
        "id": task.id,
        "name": task.name,
        "model": task.model,
        "kind": task.kind,
        "version": version.number,
        "revision": 1,
        "metadata": dict(task.metadata),
        "num_examples": len(examples),
        "num_bytes": len(version.params)
        + len(version.own_params or b"")
        + sum(len(each.input) + len(each.features or b"") for each in examples),
        "measured_revision": 1,
        "prior": task.prior,
        "created_at": now,
        "updated_at": now,
    }
    await insert_rows(session, Task, [made])
    await insert_version(session, keys, version, now)
    await insert_examples(session, keys, version, examples, now)
    return TaskRecord(
        task.tenant,
        task.id,
        task.name,
        task.model,
        version.model_digest,
        task.kind,
        version.labels,
        version.output_dim,
        version.number,
        1,
        version.num_support,
        dict(task.metadata),
        now,
        now,
        None if version.preprocessing is None else dict(version.preprocessing),
        task.prior,
        [source.task_id for source in version.sources],
        version.outlook,
    )


async def get_task(session: AsyncSession, tenant: str, task_id: str) -> TaskRecord | None:
    """The task, if this tenant has it."""
    return await _one_task(session, _TASKS, tenant, task_id)


async def get_asked_task(session: AsyncSession, tenant: str, task_id: str) -> TaskRecord | None:
    """The task without what was told of it, which who asks it need not know."""
    return await _one_task(session, _ASKED, tenant, task_id)


async def get_bare_task(session: AsyncSession, tenant: str, task_id: str) -> TaskRecord | None:
    """The task without what is kept of its version as JSON, which cannot be read: as if none of it were known."""
    return await _one_task(session, _BARE, tenant, task_id)


async def _one_task(
    session: AsyncSession, tasks: Select[*tuple[Any, ...]], tenant: str, task_id: str
) -> TaskRecord | None:
    row = (await session.execute(tasks.where(Task.tenant == tenant, Task.id == task_id))).one_or_none()
    return None if row is None else _record(row)


async def list_tasks(
    session: AsyncSession, tenant: str, *, limit: int, after: str | None, model: str | None, name: str | None
) -> tuple[list[TaskRecord], str | None]:
    """A page of a tenant's tasks, newest first, from behind the id `after`; and behind which id the next one begins.

    Those that cannot be read are left out.
    """
    statement = _TASKS.where(Task.tenant == tenant).order_by(Task.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(Task.id < after)
    if model is not None:
        statement = statement.where(Task.model == model)
    if name is not None:
        statement = statement.where(Task.name == name)
    rows, damaged = await read_apart(session, statement, Task.id)
    for each in damaged:
        log.warning("task %s cannot be read", each)
    ids = sorted([*(row.id for row in rows), *damaged], reverse=True)
    last = ids[limit - 1] if len(ids) > limit else None
    return [_record(row) for row in rows if last is None or row.id >= last], last


async def delete_task(session: AsyncSession, tenant: str, task_id: str, match: Match = None) -> bool:
    """Delete the task and everything of it; false if this tenant has no such task, or not at a revision of `match`."""
    wanted = (Task.tenant == tenant, Task.id == task_id, is_match(match))
    if (await session.execute(select(Task.id).where(*wanted).with_for_update())).one_or_none() is None:
        return False
    await forget_source(session, tenant, task_id, datetime.now(UTC))
    await session.execute(delete(Task).where(*wanted))
    return True


async def hold_task(session: AsyncSession, tenant: str, task_id: str) -> None:
    """Let nobody write to the task until the transaction is over; first in one that stores what the task is."""
    held = select(Task.id).where(Task.tenant == tenant, Task.id == task_id)
    await session.execute(held.with_for_update(read=True))


async def fetch_params(
    session: AsyncSession | AsyncConnection | Straight, wanted: Sequence[Wanted]
) -> dict[tuple[str, str], Fetched]:
    """What is current of each task, in one statement; a task that is gone is absent, params that are cached stay."""
    batch = [[each.tenant, each.task_id, each.cached_version] for each in wanted]
    rows = await session.execute(_FETCH, {"wanted": orjson.dumps(batch).decode()})
    return {(row[0], row[1]): Fetched(*row[2:]) for row in rows}


async def get_support(session: AsyncSession, tenant: str, task_id: str, version: int) -> list[ExampleRecord]:
    """The examples that a version was adapted to, in the order in which they came."""
    support, damaged = await get_readable_support(session, tenant, task_id, version)
    if damaged:
        raise damaged_example(damaged[0])
    return support


async def get_readable_support(
    session: AsyncSession, tenant: str, task_id: str, version: int
) -> tuple[list[ExampleRecord], list[str]]:
    """Those of them that are as they were stored, and the ids of those that are not."""
    values = {"tenant": tenant, "task_id": task_id, "version": version}
    rows, damaged = await read_apart(session, _SUPPORT, Example.example_id, values)
    changed = [row.example_id for row in rows if not is_as_stored(row.input, row.checksum)]
    examples = [_example(*row) for row in rows if row.example_id not in changed]
    if num_lost := sum(example.has_lost_features for example in examples):
        log.warning("task %s: the features of %d examples are not as they were stored; readapt it", task_id, num_lost)
    return examples, [*damaged, *changed]


_CURRENT = and_(Version.task_id == Task.id, Version.number == Task.version)

_outlook = (
    select(Params.outlook)
    .where(Params.task_id == Version.task_id, Params.number == Version.number)
    .scalar_subquery()
    .label("outlook")
)

_TASKS = select(
    Task.tenant,
    Task.id,
    Task.name,
    Task.model,
    Version.model_digest,
    Task.kind,
    Version.labels,
    Version.output_dim,
    Task.version,
    Task.revision,
    Version.num_support,
    Task.metadata_,
    Task.created_at,
    Task.updated_at,
    Version.preprocessing,
    Task.prior,
    Version.transferred_from,
    _outlook,
).join(Version, _CURRENT)


def _without(*names: str) -> Select[*tuple[Any, ...]]:
    """Tasks with nothing in the place of these columns."""
    columns = (null() if each.name in names else each for each in _TASKS.selected_columns)
    return _TASKS.with_only_columns(*columns, maintain_column_froms=True)


_ASKED = _without("outlook")
_BARE = _without("labels", "preprocessing", "transferred_from", "outlook")

_wanted = json_rows(bindparam("wanted", type_=Text())).table_valued(column("value", JSON), name="wanted")
_cached = _wanted.c.value[2].as_integer()
_stale = or_(_cached.is_(None), _cached != Task.version)

_FETCH = (
    select(
        Task.tenant,
        Task.id,
        Task.version,
        Version.model_digest,
        case((_stale, Version.labels)),
        Params.data,
        Params.digest,
        Task.prior,
    )
    .select_from(_wanted)
    .join(Task, and_(Task.tenant == _wanted.c.value[0].as_string(), Task.id == _wanted.c.value[1].as_string()))
    .join(Version, _CURRENT)
    # an outer join whose condition fails for what is cached: its blob is not read
    .outerjoin(
        Params,
        and_(
            _stale,
            Params.task_id == Version.task_id,
            Params.number == Version.number,
        ),
    )
)

# Scalar subqueries on purpose: without statistics PostgreSQL joins the examples of a task with its memberships by
# comparing each with each, as it knows the task and expects one row of each.
_member_since = (
    select(Membership.since_version)
    .where(
        Membership.task_id == Example.task_id,
        Membership.ordinal == Example.ordinal,
        Membership.since_version <= Version.number,
        or_(Membership.until_version.is_(None), Membership.until_version > Version.number),
    )
    .scalar_subquery()
)
_features, _features_checksum = (
    select(column)
    .where(
        Features.task_id == Example.task_id,
        Features.ordinal == Example.ordinal,
        Features.model_digest == Version.model_digest,
    )
    .scalar_subquery()
    for column in (Features.data, Features.checksum)
)

_SUPPORT = (
    select(
        Example.example_id,
        Example.ordinal,
        Example.label,
        Example.target,
        Example.input,
        _features,
        Example.role,
        Example.slots,
        Example.labels,
        Example.checksum,
        _features_checksum.label("features_checksum"),
    )
    .join(Version, Version.task_id == Example.task_id)
    .where(
        Example.tenant == bindparam("tenant"),
        Example.task_id == bindparam("task_id"),
        Version.number == bindparam("version"),
        _member_since.is_not(None),
    )
    .order_by(Example.ordinal)
)


def _example(*row: Any) -> ExampleRecord:
    """Of a row that has the several labels of an example, if there are any in the place of one, and ends with sums.

    Features that are not as they were stored are none: they can be made anew.
    """
    *columns, slots, labels, _, features_checksum = row
    example = ExampleRecord(*[*columns, read_slots(slots)])
    if example.features is not None and not is_as_stored(example.features, features_checksum):
        example = replace(example, features=None, has_lost_features=True)
    return example if labels is None else replace(example, label=labels)


def _record(row: Sequence[Any]) -> TaskRecord:
    *columns, transferred_from, outlook = row
    return TaskRecord(*[*columns, transferred_from or [], read_outlook(outlook)])
