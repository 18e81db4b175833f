"""How migrations run, for `kshot migrate` and for the command `alembic`: one process at a time, in one transaction.

Where an index is built on a table that has rows, what comes before it is a transaction of its own (`indexing.py`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

from alembic import context
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from service.errors import DatabaseUnavailable
from service.settings import Settings
from service.storage.engines import begin_immediate, database_url
from service.storage.tables import Table

WAIT_FOR_OTHERS_S = 600  # an upgrade may be long, so another waits longer for it than a request for a lock
TELL_AFTER_S = 5
POLL_S = 0.2
UPGRADE_LOCK = 0x6B73686F74  # "kshot"

log = logging.getLogger("kshot.migrations")


def engine_for(url: str) -> Engine:
    """A synchronous engine; on SQLite with transactions that cover the schema too."""
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed)
    engine = create_engine(
        parsed.set(drivername="sqlite"), connect_args={"isolation_level": None, "timeout": WAIT_FOR_OTHERS_S}
    )
    # foreign keys stay off here: rebuilding a table (batch mode) would otherwise delete all that refers to it
    event.listen(engine, "begin", begin_immediate)
    return engine


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Hold off other upgrades; SQLite's BEGIN IMMEDIATE does so by itself.

    What a session has is given back, not left to its end: behind a pooler the session goes to somebody else.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    wait_for_others(connection)
    try:
        yield
    finally:
        with suppress(DBAPIError):  # the connection is lost, and the lock with it
            connection.rollback()
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({UPGRADE_LOCK})")
            connection.exec_driver_sql("RESET lock_timeout")
            connection.commit()


def wait_for_others(connection: Connection) -> None:
    """Take the lock of all upgrades.

    Asked for again and again: who waited in a statement would be waited for by an index that is built.
    Raises DatabaseUnavailable after as long as SQLite would wait.
    """
    began, is_told = monotonic(), False
    while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({UPGRADE_LOCK})").scalar_one():
        connection.commit()
        waited_s = monotonic() - began
        if waited_s >= WAIT_FOR_OTHERS_S:
            raise DatabaseUnavailable("another process migrates this database, or left its connection open")
        if waited_s >= TELL_AFTER_S and not is_told:
            log.warning("waiting for another process that migrates this database, or left its connection open")
            is_told = True
        sleep(POLL_S)
    # requests queue up behind a migration that waits for its lock, so it gives up early
    connection.exec_driver_sql("SET lock_timeout = '5s'")
    connection.commit()


def refuse_orphans(connection: Connection) -> None:
    """Fail, and so roll back, if a migration on SQLite left rows that refer to nothing."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError("the migration left rows that refer to nothing; nothing was changed")


def run(url: str) -> None:
    """Do what alembic was asked to do."""
    engine = engine_for(url)
    try:
        with engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=Table.metadata,
                transactional_ddl=True,
                render_as_batch=True,
                compare_type=True,
                compare_server_default=True,
            )
            with alone(connection), context.begin_transaction():
                context.run_migrations()
                refuse_orphans(connection)
    finally:
        engine.dispose()


run(context.config.attributes.get("url") or Settings().database_url)
