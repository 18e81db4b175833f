"""What must hold of a database whatever was killed: each law is a statement that finds the rows that break it.

Of all tenants, since an operator asks. Each statement sees one moment, so the service may go on writing meanwhile.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    ForeignKeyConstraint,
    Select,
    Text,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.storage.jobs import OPEN
from service.storage.readable import StoredJson, is_as_stored
from service.storage.tables import Example, Features, Job, Membership, OwnParams, Params, Table, Task, Transfer, Version
from service.storage.usage import wrongly_measured

Law: TypeAlias = Select[*tuple[Any, ...]]  # rows (tenant, the rest of the key) that break it

INPUTS = "inputs of examples are what their checksum says"
FEATURES = "features of examples are what their checksum says"
MAX_FOUND = 100  # of one law: who has more has seen enough
PAGE = 100  # params in one read
FLUSHED = ("fsync", "full_page_writes", "synchronous_commit")  # PostgreSQL's, on as it is shipped


@dataclass(frozen=True, slots=True)
class Found:
    """A row that breaks a law."""

    law: str
    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredParams:
    """What is stored of one version's params."""

    tenant: str
    task_id: str
    number: int
    digest: str
    data: bytes


async def counts(session: AsyncSession) -> dict[str, int]:
    """Rows of every table."""
    tables = Table.metadata.sorted_tables
    numbers = [select(func.count()).select_from(table).scalar_subquery() for table in tables]
    row = (await session.execute(select(*numbers))).one()
    return {table.name: number for table, number in zip(tables, row, strict=True)}


async def broken(session: AsyncSession) -> AsyncIterator[Found]:
    """Every row that breaks a law, at most a hundred of each."""
    for name, law in LAWS.items():
        for row in await session.execute(law.limit(MAX_FOUND)):
            yield Found(name, row[0], " ".join(map(str, row[1:])))


async def damaged_pages(session: AsyncSession) -> list[str]:
    """What SQLite finds wrong with its file; PostgreSQL has checksums of its own for that."""
    if session.get_bind().dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in await session.execute(text(f"PRAGMA integrity_check({MAX_FOUND})"))]
    return [] if found == ["ok"] else found


async def unreadable(session: AsyncSession) -> AsyncIterator[Found]:
    """Rows of which SQLite finds that some JSON is none; PostgreSQL takes and keeps no other."""
    if session.get_bind().dialect.name != "sqlite":
        return
    for table in Table.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, JSON | StoredJson)]
        wrong = [and_(column.is_not(None), ~func.json_valid(type_coerce(column, Text()))) for column in columns]
        if wrong:
            key = [column for column in table.primary_key if column.name != "tenant"]
            for row in await session.execute(select(table.c.tenant, *key).where(or_(*wrong)).limit(MAX_FOUND)):
                yield Found(f"{table.name} can be read", row[0], " ".join(map(str, row[1:])))


async def not_durable(session: AsyncSession) -> list[str]:
    """What a power cut may undo though it has been answered: settings of PostgreSQL; our SQLite always flushes."""
    if session.get_bind().dialect.name == "sqlite":
        return []
    found = text("SELECT name FROM pg_settings WHERE name = ANY(:names) AND setting = 'off' ORDER BY name")
    return [str(name) for name in await session.scalars(found, {"names": list(FLUSHED)})]


async def stored_params(session: AsyncSession) -> AsyncIterator[StoredParams]:
    """The params of every version, and what it is without other tasks; a page at a time."""
    for table in (Params, OwnParams):
        async for params in _all_of(session, table):
            yield params


async def changed(session: AsyncSession) -> AsyncIterator[Found]:
    """Examples whose inputs, or what a model made of them, are not what was stored; a page at a time."""
    for law, table, data in ((INPUTS, Example, Example.input), (FEATURES, Features, Features.data)):
        key = [column for column in table.__table__.primary_key if column.name != "tenant"]
        statement = select(table.__table__.c.tenant, table.__table__.c.checksum, data, *key).order_by(*key).limit(PAGE)
        page = (await session.execute(statement)).all()
        while page:
            for tenant, checksum, stored, *place in page:
                if not is_as_stored(stored, checksum):
                    yield Found(law, tenant, " ".join(map(str, place)))
            behind = statement.where(tuple_(*key) > tuple(page[-1][3:]))
            page = (await session.execute(behind)).all()


async def _all_of(session: AsyncSession, table: type[Params] | type[OwnParams]) -> AsyncIterator[StoredParams]:
    key = tuple_(table.task_id, table.number)
    columns = (table.tenant, table.task_id, table.number, table.digest, table.data)
    after: tuple[str, int] = ("", 0)
    while True:
        wanted = select(*columns).where(key > after).order_by(table.task_id, table.number).limit(PAGE)
        page = [StoredParams(*row) for row in await session.execute(wanted)]
        for params in page:
            yield params
        if len(page) < PAGE:
            return
        after = (page[-1].task_id, page[-1].number)


_Older = aliased(Membership)
_covers = and_(
    Membership.since_version <= Version.number,
    or_(Membership.until_version.is_(None), Membership.until_version > Version.number),
)
_num_members = (
    select(func.count()).where(Membership.task_id == Version.task_id, _covers).correlate(Version).scalar_subquery()
)
_overlaps = and_(
    _Older.task_id == Membership.task_id,
    _Older.ordinal == Membership.ordinal,
    _Older.since_version < Membership.since_version,
    or_(_Older.until_version.is_(None), _Older.until_version > Membership.since_version),
)


def _in_versions() -> dict[str, Law]:
    """Of a task, its versions, and the examples of each."""
    has_params = exists().where(Params.task_id == Version.task_id, Params.number == Version.number)
    has_own = exists().where(OwnParams.task_id == Version.task_id, OwnParams.number == Version.number)
    current = and_(Version.task_id == Task.id, Version.number == Task.version)
    is_whole = exists().where(current, has_params.correlate_except(Params))
    is_used = exists().where(Membership.task_id == Example.task_id, Membership.ordinal == Example.ordinal)
    key = (Version.tenant, Version.task_id, Version.number)
    member = (Membership.tenant, Membership.task_id, Membership.ordinal, Membership.since_version)
    return {
        "the current version of a task is there, with its params": select(Task.tenant, Task.id).where(~is_whole),
        "no version is newer than the current one": select(*key)
        .join(Task, Task.id == Version.task_id)
        .where(Version.number > Task.version),
        "a version has as many examples as it says": select(*key).where(
            has_params, Version.num_support != _num_members
        ),
        "a version that learned from other tasks knows what it is without them": select(*key).where(
            exists().where(Transfer.task_id == Version.task_id, Transfer.number == Version.number), ~has_own
        ),
        "what a version is without others is kept for that alone": select(
            OwnParams.tenant, OwnParams.task_id, OwnParams.number
        ).where(~exists().where(Transfer.task_id == OwnParams.task_id, Transfer.number == OwnParams.number)),
        "an example supports some version": select(Example.tenant, Example.task_id, Example.ordinal).where(~is_used),
        "an example supports a version once": select(*member).where(exists().where(_overlaps)),
        "a task is as large as it says": wrongly_measured(),
        "inputs of a task are of one size": _unlike(Example, Example.input, Example.task_id),
        "features of a task by one model are of one size": _unlike(
            Features, Features.data, Features.task_id, Features.model_digest
        ),
        "a membership ends after it begins": select(*member).where(
            Membership.until_version <= Membership.since_version
        ),
    }


def _unlike(table: type[Example] | type[Features], column: Any, *key: Any) -> Law:
    sizes = func.length(column)
    return select(table.tenant, *key).group_by(table.tenant, *key).having(func.min(sizes) != func.max(sizes))


def _in_jobs() -> dict[str, Law]:
    """Of jobs."""
    key, is_open = (Job.tenant, Job.id), Job.state.in_(OPEN)
    unclaimed = or_(Job.lease_until.is_(None), Job.fence == 0)
    return {
        "a job that is over has an end, and only that": select(*key).where(is_open == Job.finished_at.is_not(None)),
        "a running job is held under a fence and a lease": select(*key).where(Job.state == "running", unclaimed),
    }


def _foreign_keys() -> Iterator[tuple[str, Law]]:
    """What refers to something refers to what is there, of the same tenant; SQLite believes whoever wrote the file."""
    for table in Table.metadata.sorted_tables:
        for constraint in sorted(table.foreign_key_constraints, key=lambda each: each.referred_table.name):
            yield f"{table.name} hang under {constraint.referred_table.name} of their tenant", _orphans(constraint)


def _orphans(constraint: ForeignKeyConstraint) -> Law:
    table, parent = constraint.table, constraint.referred_table.alias()
    pairs = [(element.parent, parent.c[element.column.name]) for element in constraint.elements]
    matches = and_(table.c.tenant == parent.c.tenant, *(own == other for own, other in pairs))
    refers = and_(*(own.is_not(None) for own, _ in pairs))
    key = [column for column in table.primary_key if column.name != "tenant"]
    return select(table.c.tenant, *key).where(refers, ~exists(literal(1)).where(matches))


LAWS: Mapping[str, Law] = {**_in_versions(), **_in_jobs(), **dict(_foreign_keys())}
