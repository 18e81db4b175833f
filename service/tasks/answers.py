"""Stored records -> what goes over the wire."""

from collections.abc import Sequence
from typing import cast

from service.codec import Role
from service.engine.arrays import Forecast
from service.forecasts import Expected, ExpectedAccuracy, ExpectedR2, Suspect
from service.schemas import SupportExample, Task, TaskVersion
from service.storage.records import ExampleRecord, Member, TaskRecord, VersionRecord


def task_of(record: TaskRecord) -> Task:
    """A task as of its current version."""
    return Task(
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
        created_at=record.created_at,
        updated_at=record.updated_at,
        transferred_from=record.transferred_from,
    )


def expected_of(kind: str, forecast: Forecast | None) -> Expected | None:
    """How good the task will be."""
    if forecast is None:
        return None
    low, middle, high = (round(end, 4) for end in forecast.ends)
    if kind == "regression":
        return ExpectedR2(r2=middle, low=low, high=high, level=forecast.level)
    return ExpectedAccuracy(accuracy=middle, low=low, high=high, level=forecast.level)


def suspects_of(
    labels: Sequence[str], forecast: Forecast | None, known: Sequence[ExampleRecord], sent: Sequence[ExampleRecord]
) -> list[Suspect]:
    """The examples whose label the others contradict, the surest first."""
    rows = [*known, *sent]
    return [
        Suspect(
            id=rows[doubt.row].example_id,
            index=doubt.row - len(known) if doubt.row >= len(known) else None,
            label=str(rows[doubt.row].label),
            instead=labels[doubt.instead],
            probability=round(doubt.probability, 4),
        )
        for doubt in (forecast.doubts if forecast is not None else ())
        if doubt.row < len(rows)
    ]


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
