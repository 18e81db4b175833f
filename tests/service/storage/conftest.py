"""A database to store tasks in, and a count of the statements it is sent."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, event

from service.storage.database import Database


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
