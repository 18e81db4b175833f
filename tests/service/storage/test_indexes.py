"""Indexes that migrations build: nobody waits for them, and what was not finished is built anew."""

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from service.storage import migrate
from tests.conftest import NUMBERS, administer, on_server

VERSIONS = Path(__file__).parents[3] / "migrations" / "versions"
BEFORE, BUILT = "2026_11_22_measured", "2026_11_22_unmeasured"
ALONE = {"2026_11_22_life.py"}  # from when a release stopped before the next one started

INSERT = text(
    "INSERT INTO tasks (tenant, id, model, kind, version, revision, created_at, updated_at, metadata)"
    " VALUES ('t', :id, 'm', 'k', 1, 1, now(), now(), '{}')"
)
IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_tasks_unmeasured'::regclass")


@pytest.fixture
def engine(postgresql_server: str) -> Iterator[Engine]:
    """A database with a task, before the index."""
    name = f"indexes_{next(NUMBERS)}"
    administer(postgresql_server, f"CREATE DATABASE {name}")
    url = on_server(postgresql_server, name)
    migrate.upgrade(url, BEFORE)
    engine = create_engine(url, isolation_level="READ COMMITTED")
    with engine.begin() as connection:
        connection.execute(INSERT, {"id": "first"})
    yield engine
    engine.dispose()
    administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


def upgrade(engine: Engine) -> None:
    migrate.upgrade(engine.url.render_as_string(hide_password=False), BUILT)


def waits(connection: Connection) -> bool:
    """Whether somebody builds an index and waits for what began before."""
    found = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'")
    return bool(connection.execute(found).scalar_one())


def test_writers_do_not_wait_for_an_index(engine: Engine) -> None:
    building = threading.Thread(target=upgrade, args=[engine])
    with engine.connect() as slow, engine.connect() as other:
        slow.execute(INSERT, {"id": "slow"})  # a transaction that the index has to wait for
        building.start()
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as watching:
            while not waits(watching):
                assert building.is_alive()
        other.execute(text("SET lock_timeout = '1s'"))
        other.execute(INSERT, {"id": "other"})
        other.commit()
        assert building.is_alive()
        slow.commit()
    building.join()
    with engine.connect() as connection:
        assert connection.execute(IS_VALID).scalar_one()


def test_an_index_that_was_not_finished_is_built_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_tasks_unmeasured ON tasks (tenant)"))
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_tasks_unmeasured'::regclass")
        )
    upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(IS_VALID).scalar_one()
    migrate.upgrade(engine.url.render_as_string(hide_password=False), finish=True)
    migrate.check(engine.url.render_as_string(hide_password=False))


def test_who_waits_for_another_migration_says_so_and_gives_up(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    code = f"""
from service.storage import migrate
import logging, time
logging.basicConfig()
clock = time.monotonic
time.monotonic, time.sleep = lambda: 100 * clock(), lambda _: None
migrate.upgrade({url!r})
"""
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": 0x6B73686F74})
        waited = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        other.execute(text("SELECT pg_advisory_unlock_all()"))
    assert waited.returncode and "waiting for another process" in waited.stderr
    assert "DatabaseUnavailable: another process migrates" in waited.stderr


def test_no_migration_locks_a_table_for_an_index() -> None:
    """On tables that it did not make itself."""
    for path in sorted({*VERSIONS.glob("2*.py")} - {VERSIONS / name for name in ALONE}):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        named = [(ast.unparse(call.func), [ast.unparse(each) for each in call.args]) for call in calls]
        made = {arguments[0] for name, arguments in named if name == "op.create_table"}
        indexed = {arguments[1] for name, arguments in named if name == "op.create_index"}
        assert indexed <= made, path.name
