"""Which batch of a lane is made ready next, and when: pure bookkeeping, without clock, thread or torch."""

from collections.abc import Sequence
from typing import Generic

from service.engine.scheduler import Job, Payload, Scheduler
from service.engine.turns import Batch, Lane


class Room(Generic[Payload]):
    """One lane: what waits in its scheduler, the batches that are ready, and those under way.

    One batch is ready while others run, so that the device need not wait for the database. A second one may be, of
    tenants that have nothing ready or under way, where the first is for the most part of a tenant that has more.
    """

    def __init__(self, lane: Lane, scheduler: Scheduler[Payload]) -> None:
        self.lane = lane
        self.scheduler = scheduler
        self._ready: list[Batch] = []
        self._under_way: list[Batch] = []

    def take(self) -> tuple[Batch, Sequence[Job[Payload]]] | None:
        """The next batch to make ready, if there is room for one and anything waits for it."""
        if len(self._ready) > 1:
            return None
        without: set[str] = set()
        if self._ready:
            if not self._is_flooded(self._ready[0].main):
                return None
            without = {tenant for batch in (*self._ready, *self._under_way) for tenant in batch.shares}
        jobs = self.scheduler.next_batch(without)
        if not jobs:
            return None
        batch = Batch(self.lane, _shares(jobs))
        self._ready.append(batch)
        return batch, jobs

    def begin(self, batch: Batch) -> None:
        """The batch has got its first slice."""
        self._ready.remove(batch)
        self._under_way.append(batch)

    def end(self, batch: Batch) -> None:
        """The batch is over, perhaps before it began."""
        (self._ready if batch in self._ready else self._under_way).remove(batch)

    def _is_flooded(self, tenant: str | None) -> bool:
        """Whether the batch that is ready would hold up the others behind what this tenant has sent before or since."""
        if tenant is None:
            return False
        return self.scheduler.has(tenant) or any(batch.main == tenant for batch in self._under_way)


def _shares(jobs: Sequence[Job[Payload]]) -> dict[str, float]:
    shares: dict[str, float] = {}
    total = sum(job.cost for job in jobs)
    for job in jobs:
        shares[job.tenant] = shares.get(job.tenant, 0.0) + (job.cost / total if total else 1 / len(jobs))
    return shares
