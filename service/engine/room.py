"""Which batch of a lane is made ready next, and when: pure bookkeeping, without clock, thread or torch."""

from collections.abc import Sequence
from typing import Final, Generic

from service.engine.scheduler import Job, Payload, Scheduler
from service.engine.turns import Batch, Lane

LEAD_MS: Final = 5.0  # to find what is current of a batch, before the device is free
FADE: Final = 0.8  # what is left of how long batches took for their cost, at the next one


class Room(Generic[Payload]):
    """One lane: what waits in its scheduler, the batches that are ready, and those under way.

    One batch is ready while others run, so that the device need not wait for the database. A second one may be, of
    tenants that have nothing ready or under way, where the first is for the most part of a tenant that has more.

    Behind a short batch the next is made ready shortly before its end, for who comes until then can be in it; but at
    once for whoever waits behind a batch that is for the most part another's. Times are in milliseconds.
    """

    def __init__(self, lane: Lane, scheduler: Scheduler[Payload]) -> None:
        self.lane = lane
        self.scheduler = scheduler
        self.open_at = 0.0  # when the next batch may be made ready
        self._ready: list[Batch] = []
        self._under_way: dict[Batch, float] = {}  # and when they began
        self._stretch = 1.0  # how long batches took lately for their cost: each has a fixed part, and others' slices

    def take(self, now: float) -> tuple[Batch, Sequence[Job[Payload]]] | None:
        """The next batch to make ready, if there is room for one, it is time, and anything waits for it."""
        if len(self._ready) > 1 or (now < self.open_at and not self._is_waiting_for_another()):
            return None
        without: set[str] = set()
        if self._ready:
            if not self._is_flooded(self._ready[0].main):
                return None
            without = {tenant for batch in (*self._ready, *self._under_way) for tenant in batch.shares}
        jobs = self.scheduler.next_batch(without)
        if not jobs:
            return None
        cost = sum(job.cost for job in jobs)
        batch = Batch(self.lane, _shares(jobs, cost), cost)
        self._ready.append(batch)
        return batch, jobs

    def begin(self, batch: Batch, now: float) -> None:
        """The batch has got its first slice."""
        self._ready.remove(batch)
        self._under_way[batch] = now
        self.open_at = now + self._stretch * batch.cost - LEAD_MS if self.lane == "interactive" else now

    def end(self, batch: Batch, now: float) -> None:
        """The batch is over, perhaps before it began."""
        self.open_at = 0.0
        if batch in self._ready:
            self._ready.remove(batch)
            return
        took = now - self._under_way.pop(batch)
        if batch.cost:  # rather too long: at its end the room opens anyway, and too early makes small batches
            seen = took / batch.cost
            self._stretch = max(seen, FADE * self._stretch + (1 - FADE) * seen)

    def _is_waiting_for_another(self) -> bool:
        """Whether anybody waits behind a batch that is for the most part of one who is not that."""
        mains = {batch.main for batch in self._under_way if batch.main is not None}
        return bool(mains) and self.scheduler.num_tenants > sum(map(self.scheduler.has, mains))

    def _is_flooded(self, tenant: str | None) -> bool:
        """Whether the batch that is ready would hold up the others behind what this tenant has sent before or since."""
        if tenant is None:
            return False
        return self.scheduler.has(tenant) or any(batch.main == tenant for batch in self._under_way)


def _shares(jobs: Sequence[Job[Payload]], total: float) -> dict[str, float]:
    shares: dict[str, float] = {}
    for job in jobs:
        shares[job.tenant] = shares.get(job.tenant, 0.0) + (job.cost / total if total else 1 / len(jobs))
    return shares
