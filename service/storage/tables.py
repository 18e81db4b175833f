"""The tables: a task, its versions, their params and what they came from, its examples; keys, jobs.

Versions and examples refer to (tenant, task), so that they cannot hang under another tenant's task. Their own keys
leave the tenant out: PostgreSQL, told the tenant, would look up by it alone. Large columns come last: SQLite then
reads the others without walking through the blob.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Text,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from service.storage.readable import SpareJson, StoredJson

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC, on databases with time zones and without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment rather than guess its zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite gives back what was UTC without its zone."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


# Keys sort by bytes on both databases, whatever the locale of the server.
KEY = Text().with_variant(Text(collation="C"), "postgresql")
Key: TypeAlias = Annotated[str, mapped_column(KEY)]
PrimaryKey: TypeAlias = Annotated[str, mapped_column(KEY, primary_key=True)]
PrimaryNumber: TypeAlias = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
OptionalJson = JSON(none_as_null=True)

UNMEASURED = text("measured_revision <> revision")


class Table(DeclarativeBase):
    """What all tables share: the names of constraints and the types of columns."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {str: Text(), datetime: UtcDateTime(), bytes: LargeBinary(), dict[str, Any]: JSON()}  # noqa: RUF012


class Task(Table):
    """A task: which model it adapts and which version of it is current."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index(None, "tenant", "name", "id"),
        Index(None, "tenant", "model", "id"),
        Index(None, "updated_at"),  # what has not been written for long expires
        Index("ix_tasks_unmeasured", "tenant", "id", postgresql_where=UNMEASURED, sqlite_where=UNMEASURED),
    )

    tenant: Mapped[PrimaryKey]
    id: Mapped[PrimaryKey]
    model: Mapped[Key]
    kind: Mapped[str]
    version: Mapped[int]  # the current one; numbers only grow
    revision: Mapped[int]  # moves on every write, also on those that make no version
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", StoredJson("metadata", dict))
    num_examples: Mapped[int] = mapped_column(server_default="0")  # stored of it, for quotas
    num_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    measured_revision: Mapped[int] = mapped_column(server_default="0")  # at which these were so
    # how often which label is to be expected; nothing: as the model has it
    prior: Mapped[str | dict[str, float] | None] = mapped_column(StoredJson("prior", str, dict))


class Version(Table):
    """One result of adapting, and where it came from; forgetting erases its params, its labels and its digest."""

    __tablename__ = "versions"
    __table_args__ = (ForeignKeyConstraint(["tenant", "task_id"], ["tasks.tenant", "tasks.id"], ondelete="CASCADE"),)

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    number: Mapped[PrimaryNumber]
    model_digest: Mapped[Key]
    output_dim: Mapped[int | None]  # numbers a target list; none for a single number, or a label
    num_support: Mapped[int]
    support_digest: Mapped[str]
    dtype: Mapped[str]
    libraries: Mapped[dict[str, Any]] = mapped_column(StoredJson("libraries", dict))
    seed: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    labels: Mapped[list[str] | None] = mapped_column(StoredJson("labels", list))  # class index -> label
    origin: Mapped[str] = mapped_column(server_default="adapt")  # what made it: extend, forget, rollback, ...
    # made the inputs; unknown of old rows
    preprocessing: Mapped[dict[str, Any] | None] = mapped_column(StoredJson("preprocessing", dict))
    # ids of tasks, told of for good
    transferred_from: Mapped[list[str] | None] = mapped_column(StoredJson("sources", list))
    # of the code that wrote it; without a default, so that code which knows of none cannot write
    generation: Mapped[int]


class Params(Table):
    """What adapting made: safetensors bytes and their SHA-256. Apart from versions, whose rows stay small.

    What was told of the version is here, so that whatever erases the params, code of the release before too, erases it.
    It lies behind the bytes, since SQLite adds columns at the end: there a listing walks through those of large params.
    """

    __tablename__ = "params"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "number"], ["versions.task_id", "versions.number"], ondelete="CASCADE"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    number: Mapped[PrimaryNumber]
    digest: Mapped[str]
    data: Mapped[bytes]
    # unknown of old rows
    outlook: Mapped[dict[str, Any] | None] = mapped_column(SpareJson("outlook", dict))


class Transfer(Table):
    """A version learned from another task's examples too, those of its `source_version`; the version hangs on them.

    Without a cascade from the source on purpose: nobody can delete it before what was learned from it is gone.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "number"], ["versions.task_id", "versions.number"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant", "source_id"], ["tasks.tenant", "tasks.id"]),
        Index(None, "tenant", "source_id"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    number: Mapped[PrimaryNumber]
    source_id: Mapped[PrimaryKey]
    source_version: Mapped[int]


class OwnParams(Table):
    """What a version that learned from other tasks would be without them, to be at hand when those forget."""

    __tablename__ = "own_params"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "number"], ["versions.task_id", "versions.number"], ondelete="CASCADE"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    number: Mapped[PrimaryNumber]
    digest: Mapped[str]
    data: Mapped[bytes]


class Tenant(Table):
    """What was said of a tenant."""

    __tablename__ = "tenants"

    tenant: Mapped[PrimaryKey]
    train_from_tasks: Mapped[bool]


class Training(Table):
    """A model was trained on a task, which need not be there any more; since when the task has forgotten of that."""

    __tablename__ = "trainings"

    tenant: Mapped[PrimaryKey]
    task_id: Mapped[PrimaryKey]
    model_digest: Mapped[PrimaryKey]
    model: Mapped[str]
    forgotten_at: Mapped[datetime | None]


class Example(Table):
    """A labelled row of the support, as the model takes it: an example, or a label's name. Immutable."""

    __tablename__ = "examples"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "task_id"], ["tasks.tenant", "tasks.id"], ondelete="CASCADE"),
        # not unique: an id may come back after a rollback, while an older version still has the first of its name;
        # and the task last, or PostgreSQL would take it for a way to all examples of a task, and sort them
        Index(None, "example_id", "task_id"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    ordinal: Mapped[PrimaryNumber]  # the order in which the task was given its examples
    example_id: Mapped[str]  # the client's name for it
    label: Mapped[str | None]  # the only one, or of a name
    # several, or none of a task that knows several
    labels: Mapped[list[str] | None] = mapped_column(StoredJson("labels of an example", list))
    role: Mapped[str] = mapped_column(server_default="example")  # or name: its input says what the label means
    target: Mapped[float | list[float] | None] = mapped_column(StoredJson("targets", float, int, list))
    # of frames: name, start, end
    slots: Mapped[list[dict[str, Any]] | None] = mapped_column(StoredJson("slots", list))
    created_at: Mapped[datetime]
    checksum: Mapped[int | None] = mapped_column(BigInteger)  # CRC-32 of the input; unknown of old rows
    input: Mapped[bytes]


class Features(Table):
    """What a shared encoder made of an example, so that extending runs only the head."""

    __tablename__ = "features"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "ordinal"], ["examples.task_id", "examples.ordinal"], ondelete="CASCADE"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    ordinal: Mapped[PrimaryNumber]
    model_digest: Mapped[PrimaryKey]
    checksum: Mapped[int | None] = mapped_column(BigInteger)  # CRC-32 of the data; unknown of old rows
    data: Mapped[bytes]


class Membership(Table):
    """An example supports the versions from `since_version` until before `until_version`."""

    __tablename__ = "memberships"
    __table_args__ = (
        ForeignKeyConstraint(["task_id", "ordinal"], ["examples.task_id", "examples.ordinal"], ondelete="CASCADE"),
    )

    tenant: Mapped[Key]
    task_id: Mapped[PrimaryKey]
    ordinal: Mapped[PrimaryNumber]
    since_version: Mapped[PrimaryNumber]
    until_version: Mapped[int | None]


class ApiKey(Table):
    """A key that a tenant's requests carry. Of its secret only the digest is here."""

    __tablename__ = "api_keys"

    prefix: Mapped[PrimaryKey]
    tenant: Mapped[Key]
    digest: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON())
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # to the minute
    name: Mapped[str | None]


class Once(Table):
    """A request that has taken effect and must not again: the client's key for it, and a digest of what it asked."""

    __tablename__ = "requests"
    __table_args__ = (Index(None, "created_at"),)

    tenant: Mapped[PrimaryKey]
    key: Mapped[PrimaryKey]
    fingerprint: Mapped[str]
    created_at: Mapped[datetime]


class Answer(Table):
    """What was answered to such a request. It goes with the task that it tells of, if any; the request stays."""

    __tablename__ = "answers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "key"], ["requests.tenant", "requests.key"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant", "task_id"], ["tasks.tenant", "tasks.id"], ondelete="CASCADE"),
        Index(None, "tenant", "task_id"),
    )

    tenant: Mapped[PrimaryKey]
    key: Mapped[PrimaryKey]
    task_id: Mapped[Key | None] = mapped_column(KEY)  # none where a job was accepted, whose task may be yet to come
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]


class Job(Table):
    """Work that was accepted and is done later, by any process, with effect once."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "tenant", "state", "id"),
        Index(None, "state", "turn", "id"),  # which is next, of all tenants
        Index(None, "finished_at"),  # records of what is over expire
    )

    tenant: Mapped[PrimaryKey]
    id: Mapped[PrimaryKey]
    kind: Mapped[str]  # what is done: adapt, extend
    is_slow: Mapped[bool] = mapped_column(server_default=false())  # high effort: not for every worker at once
    state: Mapped[Key]  # queued, running, succeeded, failed, cancelled
    task_id: Mapped[Key]  # known before the task is made
    turn: Mapped[int] = mapped_column(BigInteger)
    fence: Mapped[int]  # moves with every claim: what holds an older one has no effect
    num_losses: Mapped[int]  # processes that vanished while they ran it
    lease_until: Mapped[datetime | None]  # by the database's clock
    num_done: Mapped[int]
    num_total: Mapped[int]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    match: Mapped[list[int] | None] = mapped_column(OptionalJson)  # the revisions in If-Match
    problem: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)


class JobBody(Table):
    """What a job was asked, until it ends; after that its answer. Apart from jobs, so that renewing a lease is small.

    Both go with the task, however that goes, an answer also when the task forgets; before it is made there is none to
    name.
    """

    __tablename__ = "job_bodies"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "job_id"], ["jobs.tenant", "jobs.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant", "task_id"], ["tasks.tenant", "tasks.id"], ondelete="CASCADE"),
        Index(None, "tenant", "task_id"),
    )

    tenant: Mapped[PrimaryKey]
    job_id: Mapped[PrimaryKey]
    task_id: Mapped[Key | None] = mapped_column(KEY)
    data: Mapped[bytes]
