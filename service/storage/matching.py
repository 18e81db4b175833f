"""The revisions that a client's If-Match names, as a condition on a task."""

from typing import TypeAlias

from sqlalchemy import ColumnElement, true

from service.storage.tables import Task

Match: TypeAlias = frozenset[int] | None  # none: the client does not mind


def is_match(match: Match) -> ColumnElement[bool]:
    """Whether the task is at one of these revisions."""
    return true() if match is None else Task.revision.in_(match)
