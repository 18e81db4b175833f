"""Moments of a service's writing at which it kills itself: between two statements, before and after a commit."""

import os
import signal
from itertools import count
from typing import Any, Literal, TypeAlias

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

Kind: TypeAlias = Literal["statement", "commit", "committed"]
Moment: TypeAlias = tuple[Kind, int]  # before the nth statement that changes something, or commit; or after the nth

CHANGES = ("INSERT", "UPDATE", "DELETE")
WROTE = "wrote"


def die_at(kind: Kind, number: int) -> None:
    """Let this process be killed when that comes."""
    coming = count(1)

    def now(reached: Kind) -> None:
        if reached == kind and next(coming) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def before_statement(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(CHANGES):
            connection.connection.record_info[WROTE] = True
            now("statement")

    @event.listens_for(Engine, "commit")
    def before_commit(connection: Any) -> None:
        if connection.connection.record_info.get(WROTE):
            now("commit")

    @event.listens_for(Pool, "checkin")
    def after_transaction(connection: Any, record: Any) -> None:
        if record.record_info.pop(WROTE, False):
            now("committed")
