"""The names of a task's columns: fixed when it is made, kept with each version beside what made its inputs ready."""

from collections.abc import Sequence
from dataclasses import replace

from service.catalog import COLUMNS
from service.storage.earlier import Earlier
from service.storage.records import NewVersion, TaskRecord, WholeVersion


def columns_of(record: TaskRecord | WholeVersion | Earlier) -> list[str] | None:
    """What the columns of the task's rows are called, in their order; none where nobody said."""
    found: list[str] | None = (record.preprocessing or {}).get(COLUMNS)
    return found


def with_columns(version: NewVersion, columns: Sequence[str] | None) -> NewVersion:
    """The version with these names."""
    if columns is None:
        return version
    return replace(version, preprocessing={**(version.preprocessing or {}), COLUMNS: list(columns)})
