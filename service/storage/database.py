"""One database, SQLite or PostgreSQL: short writes, reads that see every committed write, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from time import monotonic

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from service.metrics import Metrics
from service.storage.circuit import Circuit
from service.storage.engines import REVISION, database_url, postgresql_engine, sqlite_engine
from service.storage.failures import is_no_table, translated
from service.storage.groups import GroupCommit, R, Work
from service.storage.measuring import measure_engine, measured
from service.storage.straight import Straight

CHECK_S = 2.0  # for the database to say that it is there; one that takes two for each answer is, and slow
ALONE = {"pool_size": 1, "pool_timeout": CHECK_S}  # past the others, which may all be at work


class Database:
    """Where tasks live. Callers see results, Conflict or DatabaseUnavailable; a session never outlives its block."""

    def __init__(
        self,
        url: str,
        *,
        busy_timeout_s: float = 5.0,
        statement_timeout_s: float = 10.0,
        pool_size: int = 8,
        pool_timeout_s: float = 5.0,
        connect_timeout_s: float = 5.0,
        metrics: Metrics | None = None,
    ) -> None:
        parsed = database_url(url)
        pool = {"pool_size": pool_size, "pool_timeout": pool_timeout_s}
        self._metrics = metrics
        self._group: GroupCommit | None = None
        self._straight: tuple[Straight, ...] = ()  # for what is quick, and aside
        if parsed.get_backend_name() == "sqlite":
            self._writer = sqlite_engine(parsed, writes=True, busy_timeout_s=busy_timeout_s, pool=pool)
            self._reader = sqlite_engine(parsed, writes=False, busy_timeout_s=busy_timeout_s, pool=pool)
            self._checker = sqlite_engine(parsed, writes=False, busy_timeout_s=CHECK_S, pool=ALONE)
            self._group = GroupCommit(self._writer)
            alone = {"pool_size": 1, "pool_timeout": pool_timeout_s}
            self._straight = tuple(
                Straight(sqlite_engine(parsed, writes=False, busy_timeout_s=busy_timeout_s, pool=alone), metrics)
                for _ in range(2)
            )
        else:
            self._writer = postgresql_engine(
                parsed,
                busy_timeout_s=busy_timeout_s,
                statement_timeout_s=statement_timeout_s,
                connect_timeout_s=connect_timeout_s,
                pool=pool,
            )
            # READ COMMITTED gives each statement its own snapshot anyway; without a transaction a read is one trip
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
            self._checker = postgresql_engine(
                parsed,
                busy_timeout_s=CHECK_S,
                statement_timeout_s=CHECK_S,
                connect_timeout_s=connect_timeout_s,
                pool=ALONE,
            ).execution_options(isolation_level="AUTOCOMMIT")
        if metrics is not None:
            measure_engine(self._writer, "write" if self._group else "shared", metrics)
            if self._group is not None:
                measure_engine(self._reader, "read", metrics)
        self._checking: asyncio.Task[str | None] | None = None
        self.circuit = Circuit(self.check)

    async def write(self, work: Work[R]) -> R:
        """Run `work` in a short transaction, committed on return.

        It must do nothing slow but its statements, and may await nothing but its session: on SQLite it runs on a thread
        without an event loop.
        """
        with measured("write", self._metrics), self.circuit.watched():
            if self._group is not None:
                return await self._group.run(work)
            with translated():
                async with AsyncSession(self._writer) as session, session.begin():
                    return await work(session)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session whose every statement sees all that was committed before it; there is no transaction round them."""
        with measured("read", self._metrics), self.circuit.watched(), translated():
            async with AsyncSession(self._reader) as session:
                yield session

    @asynccontextmanager
    async def read_bare(self, *, aside: bool = False) -> AsyncIterator[AsyncConnection | Straight]:
        """As `read`, for what is asked all the time and only selects columns: a session costs more than it gives.

        On SQLite such reads wait for each other. Those that bring much, or that nobody waits for, go `aside`.
        """
        with measured("read", self._metrics), self.circuit.watched(), translated():
            if self._straight:
                yield self._straight[aside]
                return
            async with self._reader.connect() as connection:
                yield connection

    async def check(self) -> str | None:
        """The schema revision found in the database, none before the first migration; looked up once for all who ask.

        Also while the database is held to be away: it is this that finds out whether it is.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._revision(), name="checking the database", context=Context())
        found = await asyncio.shield(self._checking)
        self.circuit.answered_at = monotonic()
        return found

    async def _revision(self) -> str | None:
        with translated():
            async with self._checker.connect() as connection:
                try:
                    return (await connection.execute(REVISION)).scalar_one_or_none()
                except exc.DBAPIError as error:
                    if is_no_table(error):
                        return None
                    raise

    async def close(self) -> None:
        """Finish the writes that were accepted and let go of every connection."""
        await self.circuit.close()
        if self._checking is not None:
            await asyncio.wait([self._checking], timeout=CHECK_S)  # it holds a connection until it is over
            self._checking.cancel()
        if self._group is not None:
            await self._group.close()
        for straight in self._straight:
            await straight.close()
        await self._writer.dispose()
        await self._reader.dispose()
        await self._checker.dispose()
