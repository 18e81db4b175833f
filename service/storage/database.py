"""One database, SQLite or PostgreSQL: short writes, reads that see every committed write, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncSession

from service.metrics import Metrics
from service.storage.engines import database_url, postgresql_engine, sqlite_engine
from service.storage.failures import translated
from service.storage.groups import GroupCommit, R, Work
from service.storage.measuring import measure_engine, measured


class Database:
    """Where tasks live. Callers see results, Conflict or DatabaseUnavailable; a session never outlives its block."""

    def __init__(
        self,
        url: str,
        *,
        busy_timeout_s: float = 5.0,
        statement_timeout_s: float = 10.0,
        pool_size: int = 8,
        metrics: Metrics | None = None,
    ) -> None:
        parsed = database_url(url)
        self._metrics = metrics
        self._group: GroupCommit | None = None
        if parsed.get_backend_name() == "sqlite":
            self._writer = sqlite_engine(parsed, writes=True, busy_timeout_s=busy_timeout_s, pool_size=1)
            self._reader = sqlite_engine(parsed, writes=False, busy_timeout_s=busy_timeout_s, pool_size=pool_size)
            self._group = GroupCommit(self._writer)
        else:
            self._writer = postgresql_engine(
                parsed, busy_timeout_s=busy_timeout_s, statement_timeout_s=statement_timeout_s, pool_size=pool_size
            )
            # READ COMMITTED gives each statement its own snapshot anyway; without a transaction a read is one trip
            self._reader = self._writer.execution_options(isolation_level="AUTOCOMMIT")
        if metrics is not None:
            measure_engine(self._writer, "write" if self._group else "shared", metrics)
            if self._group is not None:
                measure_engine(self._reader, "read", metrics)

    async def write(self, work: Work[R]) -> R:
        """Run `work` in a short transaction, committed on return. It must do nothing slow but its statements."""
        with measured("write", self._metrics):
            if self._group is not None:
                return await self._group.run(work)
            with translated():
                async with AsyncSession(self._writer) as session, session.begin():
                    return await work(session)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session whose every statement sees all that was committed before it; there is no transaction round them."""
        with measured("read", self._metrics), translated():
            async with AsyncSession(self._reader) as session:
                yield session

    async def check(self) -> str | None:
        """The schema revision found in the database, none before the first migration."""
        with translated():
            async with self._reader.connect() as connection:
                return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())

    async def close(self) -> None:
        """Finish the writes that were accepted and let go of every connection."""
        if self._group is not None:
            await self._group.close()
        await self._writer.dispose()
        await self._reader.dispose()
