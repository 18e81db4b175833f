"""Tasks to store."""

from datetime import UTC, datetime

from service.ids import new_id
from service.storage import queries
from service.storage.groups import Work
from service.storage.records import ExampleRecord, NewTask, NewVersion, TaskRecord

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def new_task(tenant: str = "default", name: str | None = "digits", model: str = "glyphs") -> NewTask:
    """A task of a tenant."""
    return NewTask(tenant, new_id("task"), name, model, "classification", {"owner": "Zoë", "deep": [1, {"a": None}]})


def new_version(number: int = 1, params: bytes = b"\x00params\xff", num_support: int = 2) -> NewVersion:
    """A first version of it."""
    libraries = {"torch": "2.13.0", "kshot": "0.1.0"}
    return NewVersion(number, "d" * 64, ["cat", "dog"], 2, num_support, "s" * 64, "float32", libraries, 2**40, params)


def new_examples(count: int = 2, features: bool = True) -> list[ExampleRecord]:
    """Its support."""
    return [
        ExampleRecord(
            f"e{n}", n, "cat" if n % 2 else "dog", None, b"input%d" % n, b"features%d" % n if features else None
        )
        for n in range(count)
    ]


def storing(task: NewTask) -> Work[TaskRecord]:
    """The work of storing it with its first version."""
    return lambda session: queries.insert_task(session, task, new_version(), new_examples(), NOW)
