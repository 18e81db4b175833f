"""Connections as we want them: SQLite durable and with our own BEGIN, PostgreSQL with time limits."""

import math
import select
import sqlite3
from collections.abc import Mapping
from functools import partial
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, TextClause, event, exc, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.storage.one_trip import Connection as OneTrip

REVISION: TextClause = text("SELECT version_num FROM alembic_version")
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

# Every statement goes by a key. On small or unanalysed tables the planner would rather read them whole, and keep to it
# while they grow; the costs it then names would also set off the JIT compiler.
BY_KEY = ["-c enable_seqscan=off", "-c enable_hashjoin=off", "-c enable_mergejoin=off", "-c jit=off"]
HANG_UP_AFTER_S = 1.0  # that a statement should have ended
AGAIN_AFTER_S = 0.01


def database_url(written: str) -> URL:
    """The URL with the driver that we use, or ValueError for a database that we do not know."""
    url = make_url(written)
    if url.drivername not in DRIVERS:
        raise ValueError(f"no driver for {url.drivername!r}: use sqlite+aiosqlite:/// or postgresql+psycopg://")
    if url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:"):
        raise ValueError("a database in memory cannot be shared by several connections: name a file")
    return url.set(drivername=DRIVERS[url.drivername])


def sqlite_engine(url: URL, *, writes: bool, busy_timeout_s: float, pool: Mapping[str, float]) -> AsyncEngine:
    """Connections that write, each transaction with BEGIN IMMEDIATE; or that only read, each statement by itself."""
    engine = create_async_engine(
        url,
        # isolation_level None keeps pysqlite from opening and closing transactions behind our back
        connect_args={
            "isolation_level": None,
            "timeout": busy_timeout_s,
            "async_creator_fn": lambda *given, **options: OneTrip(partial(_connect_sqlite, writes, *given, **options)),
        },
        max_overflow=0,
        hide_parameters=True,
        skip_autocommit_rollback=not writes,
        **(dict(pool) | ({"pool_size": 1} if writes else {})),
    )
    if writes:
        event.listen(engine.sync_engine, "begin", begin_immediate)
    return engine


def _connect_sqlite(writes: bool, *arguments: Any, **options: Any) -> sqlite3.Connection:
    """A connection with its settings made, in one step: a request cancelled between two would leave a lock behind."""
    connection = sqlite3.Connection(*arguments, **options)
    try:
        _keep_log_ahead(connection, until=monotonic() + options["timeout"])
        for pragma in ("foreign_keys=ON", "synchronous=FULL", f"query_only={'OFF' if writes else 'ON'}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _keep_log_ahead(connection: sqlite3.Connection, until: float) -> None:
    """Of several first connections one makes a new file's log a WAL; SQLite tells the others it is locked at once."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(AGAIN_AFTER_S)
        else:
            return


def begin_immediate(connection: Connection) -> None:
    """Take SQLite's write lock at once: a transaction that has read first could only fail when another has written."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def postgresql_engine(
    url: URL, *, busy_timeout_s: float, statement_timeout_s: float, connect_timeout_s: float, pool: Mapping[str, float]
) -> AsyncEngine:
    """Connections that give up on a lock, a statement or a silent peer instead of waiting for ever."""
    from service.storage.patience import connect  # and with it psycopg, which a service on SQLite starts without

    limits = {
        "lock_timeout": busy_timeout_s,
        "statement_timeout": statement_timeout_s,
        "idle_in_transaction_session_timeout": statement_timeout_s,
    }
    options = " ".join([*BY_KEY, *(f"-c {name}={math.ceil(1000 * seconds)}" for name, seconds in limits.items())])
    given = url.query.get("options", "")
    engine = create_async_engine(
        url,
        connect_args={
            "options": f"{options} {given}".strip(),  # the later wins: an operator's own
            "connect_timeout": math.ceil(connect_timeout_s),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": math.ceil(1000 * statement_timeout_s),  # a peer that vanished with a query in flight
            "application_name": "kshot",
            # the server should be the first to give up: the connection is then kept
            "async_creator_fn": partial(connect, statement_timeout_s + HANG_UP_AFTER_S),
        },
        max_overflow=0,
        hide_parameters=True,
        **pool,
    )
    event.listen(engine.sync_engine, "checkout", refuse_dropped)
    return engine


def refuse_dropped(connection: Any, record: Any, proxy: object) -> None:
    """Let the pool replace connections that the server has closed; a look at the socket, not a round trip."""
    driver = record.driver_connection
    if driver.closed or _readable(driver.fileno()):
        raise exc.InvalidatePoolError("the server closed the connection")


def _readable(descriptor: int) -> bool:
    """An idle connection has nothing to say but good-bye."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
