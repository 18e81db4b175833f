"""What moves a task on: each function is a part of one transaction, which `move_task` opens by locking the task."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    and_,
    delete,
    exists,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.fields import Prior
from service.storage.inserts import GENERATION, insert_features
from service.storage.jobs import delete_answers
from service.storage.matching import Match, is_match
from service.storage.records import ExampleRecord
from service.storage.tables import (
    Example,
    Features,
    Membership,
    OwnParams,
    Params,
    Table,
    Task,
    Transfer,
    UtcDateTime,
    Version,
)

# no object of these tables is ever held in a session, so there is nothing to bring up to date
PLAIN = {"synchronize_session": False}

_Other = aliased(Membership)


async def move_task(
    session: AsyncSession,
    tenant: str,
    task_id: str,
    now: datetime,
    *,
    match: Match = None,
    from_version: int | None = None,
    is_new_version: bool = False,
    **changed: Any,
) -> int | None:
    """Move the revision on, the version too if a new one is made, and the columns in `changed`; the version then.

    None if the task is gone, at no revision of `match`, or no longer at `from_version`. First in its transaction:
    whoever else would change the task waits until that is over.
    """
    wanted: list[ColumnElement[bool]] = [Task.tenant == tenant, Task.id == task_id, is_match(match)]
    if from_version is not None:
        wanted.append(Task.version == from_version)
    values = {"revision": Task.revision + 1, "updated_at": now, **changed}
    values["measured_revision"] = Task.measured_revision + 1  # what was measured is so still, unless it is said anew
    if is_new_version:
        values["version"] = Task.version + 1
    moved = update(Task).where(*wanted).values(values).returning(Task.version)
    result = await session.execute(moved, execution_options=PLAIN)
    return result.scalar_one_or_none()


async def forget_example(session: AsyncSession, tenant: str, task_id: str, example_id: str) -> None:
    """Erase the example, from each version that used it all that was computed from it, and what jobs told of it."""
    its_versions = update(Version).where(_of(Version, tenant, task_id), _used(Version, example_id))
    # the digest too: a small support set could be guessed back from it
    await _execute(session, its_versions.values(labels=None, support_digest=""))
    for table in (Params, OwnParams, Transfer):
        await _execute(session, delete(table).where(_of(table, tenant, task_id), _used(table, example_id)))
    await _execute(session, delete(Example).where(_of(Example, tenant, task_id), Example.example_id == example_id))
    await delete_answers(session, tenant, task_id)  # which name labels and ids


async def set_prior(session: AsyncSession, tenant: str, task_id: str, prior: Prior) -> None:
    """Change what a task that is being written says of its labels."""
    mine = update(Task).where(Task.tenant == tenant, Task.id == task_id)
    await _execute(session, mine.values(prior=prior))


async def copy_version(
    session: AsyncSession, tenant: str, task_id: str, source: int, number: int, now: datetime
) -> None:
    """Make the version `number` the same as `source`: its params and its members."""
    made: dict[str, Any] = {"number": literal(number), "origin": literal("rollback")}
    made |= {"created_at": literal(now, UtcDateTime()), "generation": literal(GENERATION)}
    await copy_rows(session, Version, made, _of(Version, tenant, task_id), Version.number == source)
    for table in (Params, OwnParams, Transfer):
        mine = (_of(table, tenant, task_id), table.number == source)
        await copy_rows(session, table, {"number": literal(number)}, *mine)

    own, is_open = _of(Membership, tenant, task_id), Membership.until_version.is_(None)
    wanted = select(Membership.ordinal).where(own, covers(source))
    closed = update(Membership).where(own, is_open, Membership.ordinal.not_in(wanted)).values(until_version=number)
    await _execute(session, closed)
    present = select(_Other.ordinal).where(_of(_Other, tenant, task_id), _Other.until_version.is_(None))
    reopened: dict[str, Any] = {"since_version": literal(number), "until_version": null()}
    absent = Membership.ordinal.not_in(present)
    await copy_rows(session, Membership, reopened, own, covers(source), absent)


async def replace_features(
    session: AsyncSession, tenant: str, task_id: str, model_digest: str, examples: Sequence[ExampleRecord]
) -> None:
    """Store what a model made of the task's current examples, in the place of what it may have made before."""
    members = select(Membership.ordinal).where(_of(Membership, tenant, task_id), Membership.until_version.is_(None))
    old = delete(Features).where(
        _of(Features, tenant, task_id), Features.model_digest == model_digest, Features.ordinal.in_(members)
    )
    await _execute(session, old)
    await insert_features(session, {"tenant": tenant, "task_id": task_id}, model_digest, examples)


async def prune_versions(session: AsyncSession, tenant: str, task_id: str, oldest: int) -> bool:
    """Delete the versions before `oldest`, and what none of those left uses; whether there were such examples."""
    past = delete(Version).where(_of(Version, tenant, task_id), Version.number < oldest)
    digests = set(await session.scalars(past.returning(Version.model_digest), execution_options=PLAIN))
    if digests:
        await _prune_features(session, tenant, task_id, digests)
    own, is_past = _of(Membership, tenant, task_id), Membership.until_version <= oldest
    # found by the memberships that ended, so that a write that ends none does not walk through the examples
    ended = select(Membership.ordinal).where(own, is_past)
    is_used = exists().where(
        _Other.task_id == Example.task_id,
        _Other.ordinal == Example.ordinal,
        or_(_Other.until_version.is_(None), _Other.until_version > oldest),
    )
    unused = delete(Example).where(_of(Example, tenant, task_id), Example.ordinal.in_(ended), ~is_used)
    gone = await session.scalars(unused.returning(Example.ordinal), execution_options=PLAIN)
    has_lost = gone.first() is not None
    await _execute(session, delete(Membership).where(own, is_past))
    return has_lost


async def _prune_features(session: AsyncSession, tenant: str, task_id: str, digests: set[str]) -> None:
    """Delete what those of these models made of the examples that no version left was adapted on."""
    kept = await session.scalars(select(Version.model_digest).where(_of(Version, tenant, task_id)).distinct())
    if stale := digests - set(kept):
        unused = delete(Features).where(_of(Features, tenant, task_id), Features.model_digest.in_(stale))
        await _execute(session, unused)


def _of(table: Any, tenant: str, task_id: str) -> ColumnElement[bool]:
    return and_(table.tenant == tenant, table.task_id == task_id)


def covers(number: Any) -> ColumnElement[bool]:
    """Whether a membership covers this version."""
    until = Membership.until_version
    return and_(Membership.since_version <= number, or_(until.is_(None), until > number))


def _used(table: Any, example_id: str) -> ColumnElement[bool]:
    """Whether the version `table.number` has, or had, the example among its support."""
    return exists().where(
        Example.task_id == table.task_id,
        Example.example_id == example_id,
        Membership.task_id == Example.task_id,
        Membership.ordinal == Example.ordinal,
        covers(table.number),
    )


async def copy_rows(
    session: AsyncSession,
    table: type[Table],
    changed: dict[str, Any],
    *where: ColumnElement[bool],
    into: type[Table] | None = None,
) -> None:
    """Insert the rows of a table again, changed in some columns; or `into` another with the same columns."""
    columns = {column.name: changed.get(column.name, column) for column in table.__table__.columns}
    rows = select(*(value.label(name) for name, value in columns.items())).where(*where)
    await _execute(session, insert(into or table).from_select(list(columns), rows))


async def _execute(session: AsyncSession, statement: Executable) -> None:
    await session.execute(statement, execution_options=PLAIN)
