"""The versions of a task: what they are, and the way back to one."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog import Catalog
from service.engine.engine import Engine
from service.errors import TaskDamaged
from service.once import Once
from service.schemas import Rollback, Task, VersionList
from service.storage import changes, history
from service.storage.database import Database
from service.storage.matching import Match
from service.storage.records import TaskRecord
from service.tasks.answers import task_of, version_of
from service.tasks.damage import is_damaged
from service.tasks.finding import find_task, find_version, why_not
from service.tasks.writing import Writing


class Versions:
    """The retained versions of tasks, for one tenant at a time."""

    def __init__(self, database: Database, engine: Engine, catalog: Catalog, writing: Writing) -> None:
        self._database = database
        self._engine = engine
        self._catalog = catalog
        self._writing = writing

    async def all(self, tenant: str, task_id: str) -> VersionList:
        """Those that are kept, newest first."""
        async with self._database.read() as session:
            await find_task(session, tenant, task_id)
            found = await history.list_versions(session, tenant, task_id)
        return VersionList(items=[version_of(record) for record in found])

    async def rollback(
        self, tenant: str, task_id: str, request: Rollback, *, match: Match = None, once: Once | None = None
    ) -> tuple[Task, int]:
        """Make the next version from an earlier one's params and support; the task and its revision."""

        async def work(session: AsyncSession) -> TaskRecord:
            now = datetime.now(UTC)
            number = await changes.move_task(session, tenant, task_id, now, match=match, is_new_version=True)
            if number is None:
                raise await why_not(session, tenant, task_id, match)
            source = await find_version(session, tenant, task_id, request.version)
            if await is_damaged(session, self._engine, tenant, task_id, source.number):
                raise TaskDamaged(f"What is stored of version {source.number} is damaged; roll back to another.")
            self._catalog.get(source.model_digest)  # raises ModelUnavailable: the task could not be asked any more
            await changes.copy_version(session, tenant, task_id, source.number, number, now)
            return await self._writing.settle(session, tenant, task_id, number)

        return await self._writing.commit(work, task_of, once, origin="rollback")
