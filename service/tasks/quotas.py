"""What a tenant may store: looked at before work is done for it, and counted in the transaction that stores more."""

from collections.abc import Iterator

from sqlalchemy.ext.asyncio import AsyncSession

from service.errors import QuotaExceeded
from service.settings import MIB, Settings
from service.storage import usage
from service.storage.database import Database
from service.storage.usage import Usage


class Quotas:
    """The same for every tenant; where none is set, nothing is counted."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self.max_tasks = settings.max_tenant_tasks
        self.max_examples = settings.max_tenant_examples
        self.max_bytes = None if settings.max_tenant_mib is None else settings.max_tenant_mib * MIB
        self._are_set = any(each is not None for each in (self.max_tasks, self.max_examples, self.max_bytes))

    async def used(self, tenant: str) -> Usage:
        """What the tenant has stored."""
        async with self._database.read() as session:
            return await usage.get_usage(session, tenant)

    async def look(self, tenant: str, *, tasks: int = 0, examples: int = 0) -> None:
        """Raise QuotaExceeded if there is no room for so much more, so that nothing is computed in vain."""
        if self._are_set:
            now = await self.used(tenant)
            self._refuse(Usage(now.num_tasks + tasks, now.num_examples + examples, now.num_bytes + 1))

    async def count(self, session: AsyncSession, tenant: str) -> None:
        """Raise QuotaExceeded if this transaction has stored too much. Those of one tenant count one after another."""
        if self._are_set:
            await usage.hold_tenant(session, tenant)
            self._refuse(await usage.get_usage(session, tenant))

    def _refuse(self, usage: Usage) -> None:
        if wrong := ", ".join(self._exceeded(usage)):
            raise QuotaExceeded(
                f"The tenant would have {wrong} stored. Delete tasks, or ask whoever runs the service for more."
            )

    def _exceeded(self, usage: Usage) -> Iterator[str]:
        if self.max_tasks is not None and usage.num_tasks > self.max_tasks:
            yield f"more than {self.max_tasks} tasks"
        if self.max_examples is not None and usage.num_examples > self.max_examples:
            yield f"more than {self.max_examples} examples"
        if self.max_bytes is not None and usage.num_bytes > self.max_bytes:
            yield f"more than {self.max_bytes} bytes"
