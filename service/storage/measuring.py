"""How long the database takes, by what it is asked, and how many of its connections are in use."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Literal

from sqlalchemy import Connection, ExceptionContext, QueuePool, event
from sqlalchemy.ext.asyncio import AsyncEngine

from service.errors import DatabaseUnavailable
from service.metrics import Metrics

WORDS = ("select", "insert", "update", "delete", "begin", "commit", "other")
BEGAN = "kshot_began"


def measure_engine(engine: AsyncEngine, name: str, metrics: Metrics) -> None:
    """Observe each statement of an engine, each commit, and its pool."""
    seconds = {word: metrics.statement_seconds.labels(word) for word in WORDS}

    def begin(connection: Connection, *rest: object) -> None:
        connection.info[BEGAN] = perf_counter()

    def end(connection: Connection, cursor: object, statement: str, *rest: Any) -> None:
        word = statement[: statement.find(" ")].lower()
        seconds[word if word in seconds else "other"].observe(perf_counter() - connection.info.pop(BEGAN))

    def fail(context: ExceptionContext) -> None:
        """One that timed out, or whose connection was cut, took its time too."""
        if context.connection is not None and BEGAN in context.connection.info:
            end(context.connection, None, context.statement or "")

    def do_commit(connection: Any) -> None:
        began = perf_counter()
        commit(connection)
        seconds["commit"].observe(perf_counter() - began)

    dialect = engine.sync_engine.dialect
    commit, dialect.do_commit = dialect.do_commit, do_commit  # type: ignore  # no event is behind it
    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    metrics.connections_in_use.labels(name).set_function(pool.checkedout)
    metrics.max_connections.labels(name).set(pool.size())


@contextmanager
def measured(operation: Literal["read", "write"], metrics: Metrics | None) -> Iterator[None]:
    """Observe a whole read or write, and whether it found the database."""
    if metrics is None:
        yield
        return
    began = perf_counter()
    try:
        yield
    except DatabaseUnavailable:
        metrics.outages.labels(operation).inc()
        raise
    finally:
        metrics.database_seconds.labels(operation).observe(perf_counter() - began)
