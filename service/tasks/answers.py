"""Stored records -> what goes over the wire."""

from typing import cast

from service.codec import Role
from service.schemas import SupportExample, Task, TaskVersion
from service.storage.records import Member, TaskRecord, VersionRecord
from service.tasks.columns import columns_of


def task_of(record: TaskRecord) -> Task:
    """A task as of its current version. It was checked when it came: of a page it would be a second's work."""
    return Task.model_construct(
        id=record.id,
        model=record.model,
        model_digest=record.model_digest,
        name=record.name,
        kind=record.kind,
        labels=record.labels,
        version=record.version,
        revision=record.revision,
        num_support=record.num_support,
        metadata=record.metadata,
        prior=record.prior,
        columns=columns_of(record),
        created_at=record.created_at,
        updated_at=record.updated_at,
        transferred_from=record.transferred_from,
        expected=None if record.outlook is None else record.outlook.expected,
        suspects=None if record.outlook is None else record.outlook.suspects,
    )


def version_of(record: VersionRecord) -> TaskVersion:
    """One version of a task."""
    return TaskVersion(
        version=record.number,
        model_digest=record.model_digest,
        labels=record.labels,
        num_support=record.num_support,
        support_digest=record.support_digest or None,
        created_at=record.created_at,
        origin=record.origin,
        available=record.is_available,
        transferred_from=record.transferred_from,
        expected=None if record.outlook is None else record.outlook.expected,
        suspects=None if record.outlook is None else record.outlook.suspects,
    )


def example_of(member: Member) -> SupportExample:
    """One example of a support set."""
    return SupportExample(
        id=member.example_id,
        role=cast(Role, member.role),
        label=member.label,
        target=member.target,
        created_at=member.created_at,
        since_version=member.since_version,
        slots=member.slots,
    )
