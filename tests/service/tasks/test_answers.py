"""What is stored is told as it is: it was checked when it came."""

from datetime import UTC, datetime

from service.storage.records import TaskRecord
from service.tasks.answers import task_of


def test_what_is_stored_is_not_checked_again_number_by_number() -> None:
    now, metadata, labels = datetime.now(UTC), {"numbers": [0, 1.5]}, ["a", "b"]
    record = TaskRecord(
        "t",
        "task_1",
        None,
        "m",
        "0" * 64,
        "classification",
        labels,
        None,
        1,
        2,
        3,
        metadata,
        now,
        now,
        None,
        None,
        [],
        None,
    )
    told = task_of(record)
    assert told.metadata is metadata and told.labels is labels  # checking would copy them
    assert told.model_validate_json(told.model_dump_json()) == told
