"""Moments of a service's writing at which it kills itself: between two statements, before and after a commit."""

import os
import signal
from itertools import count
from typing import Any, Literal, TypeAlias

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

Kind: TypeAlias = Literal["statement", "commit", "committed"]
Moment: TypeAlias = tuple[Kind, int]  # before the nth statement that changes something, or commit; after the nth commit

CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP")
WROTE = "wrote"


def die_at(kind: Kind, number: int, *, is_armed: bool) -> None:
    """Let this process be killed when that comes, counted from now on or from a SIGUSR1."""
    coming = count(1)
    armed = [is_armed]
    signal.signal(signal.SIGUSR1, lambda *_: armed.append(True))

    def now(reached: Kind) -> None:
        if armed[-1] and reached == kind and next(coming) == number:
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

    @event.listens_for(Engine, "rollback")
    def after_failure(connection: Any) -> None:
        connection.connection.record_info.pop(WROTE, None)

    @event.listens_for(Pool, "checkin")
    def after_transaction(connection: Any, record: Any) -> None:
        if record.record_info.pop(WROTE, False):
            now("committed")
