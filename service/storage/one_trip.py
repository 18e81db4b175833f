"""SQLite on a thread of its own, one trip there a statement: aiosqlite makes four, to open, run, fetch and close."""

import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import current_thread
from typing import Any, Self, TypeVar

import aiosqlite

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done:
    """What a statement came to."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    rows: Sequence[Any] = ()


class Cursor:
    """Holds nothing of SQLite's: whatever a statement gives is here when it is over. As SQLAlchemy asks for it."""

    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._done = Done()

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run a statement and fetch all its rows."""
        self._done = await self._connection.trip(lambda driver: driver.execute(sql, parameters))
        return self

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Self:
        """Run a statement once with each of these."""
        self._done = await self._connection.trip(lambda driver: driver.executemany(sql, parameters))
        return self

    async def fetchall(self) -> Sequence[Any]:
        """The rows, which are here."""
        return self._done.rows

    async def close(self) -> None:
        """Nothing is open."""

    @property
    def description(self) -> Any:
        """Of the columns; none where a statement has no rows to give."""
        return self._done.description

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        return self._done.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Of the row that was inserted last."""
        return self._done.lastrowid


class Connection(aiosqlite.Connection):
    """Opened by `connect` on its thread, which ends with the process."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=1)
        self._thread.daemon = True

    @property
    def is_gone(self) -> bool:
        """Whether it was closed, or its thread has ended."""
        return not self._running or self._connection is None

    def cursor(self) -> Cursor:  # type: ignore[override]  # which awaits nothing
        """One that opens nothing."""
        return Cursor(self)

    async def trip(self, run: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Done:
        """Run this on the thread, the fetching and the closing too."""

        def whole() -> Done:
            # closed too where a row cannot be read: an open one keeps what it saw, for whoever asks next
            with closing(run(self._conn)) as cursor:
                rows = cursor.fetchall() if cursor.description else ()
                return Done(cursor.description, cursor.rowcount, cursor.lastrowid, rows)

        done: Done = await self._execute(whole)
        return done

    async def there(self, work: Coroutine[Any, Any, R]) -> R:
        """Run all of this on the thread, in one trip: it may wait for nothing but statements of this connection."""
        done: R = await self._execute(partial(_result_of, work))
        return done

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """By which aiosqlite does everything: at once where that is on the thread already."""
        if current_thread() is self._thread:
            return fn(*args, **kwargs)
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]


def _result_of(work: Coroutine[Any, Any, R]) -> R:
    """What it returns; there is no event loop to wait with, so whatever waits for anything else is told so there."""
    try:
        work.send(None)
        while True:
            work.throw(RuntimeError("waits for something else than the database"))
    except StopIteration as done:
        result: R = done.value
        return result
