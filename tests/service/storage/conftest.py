"""A database to store tasks in, and a count of the statements it is sent."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from service.storage.database import Database
from tests.conftest import NUMBERS, administer, on_server


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Of either kind, migrated."""
    database = Database(database_url, busy_timeout_s=30, statement_timeout_s=30)
    yield database
    await database.close()


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements sent by any engine, but those that begin or end transactions or look if a slow one is there."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA", "SELECT version_num")):
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/100%.db"
        return
    server, name = request.getfixturevalue("postgresql_server"), f"empty_{next(NUMBERS)}"
    administer(server, f"CREATE DATABASE {name}")
    yield on_server(server, name)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")
