"""Group commit: what waits to be written shares one transaction, and so one flush to the disk."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from service.errors import DatabaseUnavailable
from service.storage.failures import translated, unavailable
from service.storage.inserts import STRAIGHT
from service.storage.one_trip import Connection
from service.storage.rows import Rows
from service.storage.straight import as_sqlalchemy

R = TypeVar("R")
Work: TypeAlias = Callable[[AsyncSession], Awaitable[R]]
Insert: TypeAlias = Callable[..., Awaitable[None]]  # of rows straight, see `Rows`

MAX_GROUP = 128  # bounds how long the write lock is held


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work that a caller awaits."""

    work: Work[Any]
    future: asyncio.Future[Any]

    def resolve(self, result: object) -> None:
        """Hand back the result, or the error it is, unless the caller has gone."""
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class GroupCommit:
    """Writes one group after another; while one is flushed, the next gathers."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._rows = Rows(engine.dialect)
        self._waiting: deque[Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, work: Work[R]) -> R:
        """Do the work in a transaction shared with others; returns after its commit."""
        if self._closed:
            raise unavailable()
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(work, future))
        if self._writing is None or self._writing.done():
            # in no request's context: what is noted there would be noted of the first of many
            self._writing = asyncio.create_task(self._write_all(), name="group commit", context=Context())
        return await future

    async def close(self) -> None:
        """Take no more; finish what waits."""
        self._closed = True
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
            group = [waiting for waiting in group if not waiting.future.done()]  # a caller that left wants nothing
            try:
                results = await self._commit([waiting.work for waiting in group])
            except BaseException as error:
                if isinstance(error, DatabaseUnavailable) or not isinstance(error, Exception):
                    group += self._waiting  # for the same lock, and must not again
                    self._waiting.clear()
                _fail(group, error)
                if not isinstance(error, Exception):
                    raise
            else:
                for waiting, result in zip(group, results, strict=True):
                    waiting.resolve(result)

    async def _commit(self, works: list[Work[Any]]) -> list[Any]:
        if not works:
            return []
        with translated():
            async with self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                told = connection.sync_connection
                assert isinstance(driver, Connection) and told is not None
                insert = partial(self._rows.insert, told, driver)
                results: list[Any] = await driver.there(_written(connection, driver, insert, works))
                return results


async def _written(
    connection: AsyncConnection, driver: Connection, insert: Insert, works: list[Work[Any]]
) -> list[Any]:
    """What each came to, in one transaction; on the thread of SQLite, a trip to which costs more than a statement."""
    async with connection.begin():
        return [await _attempt(connection, driver, insert, work) for work in works]


async def _attempt(connection: AsyncConnection, driver: Connection, insert: Insert, work: Work[Any]) -> Any:
    """Do one work in its own savepoint. Its error is a result: the others of the group are not concerned.

    The savepoint is the driver's: one of a session costs more than what most works do in it.
    """
    try:
        # closed here, and not by a task of its own as by `async with session`: there is no event loop
        session = AsyncSession(connection, join_transaction_mode="rollback_only", info={STRAIGHT: insert})
        with translated():
            await _ask(connection, driver, "SAVEPOINT work")
            async with aclosing(session):
                result = await work(session)
                if session.new or session.dirty or session.deleted:
                    raise RuntimeError("a work writes by statements: what it adds to its session is lost")
    except Exception as error:
        result = error
    # On a full disk and the like SQLite rolls back everything at once: the savepoint is gone, and a COMMIT would then
    # succeed with nothing. Why is told by the error of the work, if it let that through.
    if not driver.in_transaction:
        raise unavailable() from (result if isinstance(result, Exception) else None)
    if isinstance(result, Exception):
        await _ask(connection, driver, "ROLLBACK TO work")
    await _ask(connection, driver, "RELEASE work")
    return result


async def _ask(connection: AsyncConnection, driver: Connection, sql: str) -> None:
    with as_sqlalchemy(sql, connection.dialect):
        await driver.trip(lambda sqlite: sqlite.execute(sql))


def _fail(group: list[Waiting], error: BaseException) -> None:
    """Nothing of the group was written, unless the event loop ended meanwhile. Each caller gets an error of its own."""
    for waiting in group:
        own = unavailable()
        own.__cause__ = error
        waiting.resolve(own)
