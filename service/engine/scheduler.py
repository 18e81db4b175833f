"""Which waiting jobs run next: pure bookkeeping, without clock, thread or torch."""

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from math import ceil
from typing import Generic, TypeVar

from service.errors import Overloaded

Payload = TypeVar("Payload")


@dataclass(frozen=True, eq=False)
class Job(Generic[Payload]):
    """One request's work. Only jobs of one `group` share a batch; `cost` is estimated device milliseconds.

    `pads`: in a batch it costs as much as one of the most rows there, and is charged so.
    """

    tenant: str
    group: Hashable
    rows: int
    cost: float
    deadline: float
    payload: Payload
    pads: bool = False


@dataclass
class _Tenant(Generic[Payload]):
    """What one tenant has waiting, by group, each job with its turn of arrival; and its unspent credit."""

    waiting: dict[Hashable, deque[tuple[int, Job[Payload]]]] = field(default_factory=dict)
    cost: float = 0.0
    credit: float = 0.0

    def oldest(self) -> Job[Payload]:
        return min(queue[0] for queue in self.waiting.values())[1]

    def pop(self, group: Hashable) -> None:
        queue = self.waiting[group]
        queue.popleft()
        if not queue:
            del self.waiting[group]


class Scheduler(Generic[Payload]):
    """Deficit round robin over tenants (Shreedhar & Varghese, 1995), batched by group, bounded in waiting cost.

    A batch is led by the oldest job of the tenant whose turn it is, and filled with jobs of the leader's group, always
    of the tenant that is owed most. Its padded size (jobs x the longest) never passes `max_batch_rows` and its cost
    never passes `max_batch_cost`, or `max_mixed_cost` if it is of several tenants, as each waits for the others; unless
    one job alone does. Riders are charged to their own tenants, so a turn used early is a turn used.
    """

    def __init__(
        self,
        *,
        max_batch_rows: int,
        max_batch_cost: float,
        max_mixed_cost: float,
        max_waiting_cost: float,
        quantum: float,
    ) -> None:
        self.max_batch_rows = max_batch_rows
        self.max_batch_cost = max_batch_cost
        self.max_mixed_cost = max_mixed_cost
        self.max_waiting_cost = max_waiting_cost
        self.quantum = quantum
        self.waiting_cost = 0.0
        self._tenants: OrderedDict[str, _Tenant[Payload]] = OrderedDict()  # in order of turn
        self._turns = count()

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def add(self, job: Job[Payload]) -> None:
        """Let a job wait; raises Overloaded when too much waits already, of which its tenant has its part.

        A tenant's first job is always taken, and others up to an equal part of what may wait.
        """
        tenant = self._tenants.get(job.tenant, _Tenant())
        is_full = self.waiting_cost + job.cost > self.max_waiting_cost
        if is_full and tenant.waiting and tenant.cost + job.cost > self.max_waiting_cost / len(self._tenants):
            raise Overloaded(
                f"{self.waiting_cost:.0f} ms of work are waiting; the limit is {self.max_waiting_cost:.0f} ms.",
                retry_after_s=max(1, ceil(self.waiting_cost / 1000)),
            )
        self._tenants.setdefault(job.tenant, tenant).waiting.setdefault(job.group, deque()).append(
            (next(self._turns), job)
        )
        tenant.cost += job.cost
        self.waiting_cost += job.cost

    def waiting(self) -> Iterator[Job[Payload]]:
        """All jobs that wait, in no order."""
        return (job for tenant in self._tenants.values() for queue in tenant.waiting.values() for _, job in queue)

    @property
    def num_tenants(self) -> int:
        """Of which anything waits."""
        return len(self._tenants)

    def has(self, tenant: str) -> bool:
        """Whether anything of this tenant waits."""
        return tenant in self._tenants

    def remove(self, job: Job[Payload]) -> bool:
        """Take a job out before its turn (its deadline passed, its client left); False if it is not waiting."""
        tenant = self._tenants.get(job.tenant)
        queue = tenant.waiting.get(job.group) if tenant else None
        if tenant is None or queue is None:
            return False
        kept = deque(item for item in queue if item[1] is not job)
        if len(kept) == len(queue):
            return False
        tenant.waiting[job.group] = kept
        if not kept:
            del tenant.waiting[job.group]
        self._leave(job)
        return True

    def next_batch(self, without: Collection[str] = ()) -> list[Job[Payload]]:
        """The jobs to run now, together; empty only if nothing waits, but of tenants that this batch is `without`."""
        present = [name for name in self._tenants if name not in without]
        if not present:
            return []
        leader = self._take_turn(present)
        batch, longest, cost, is_mixed = [self._pop(leader)], leader.rows, leader.cost, False
        riders = [
            (-tenant.credit, turn, name)
            for turn, (name, tenant) in enumerate(self._tenants.items())
            if name not in without
        ]
        heapify(riders)
        while riders:  # whoever is owed most rides next; a tenant whose next job does not fit is out
            _, turn, name = heappop(riders)
            rider = self._first(name, leader.group)
            if rider is None:
                continue
            padded_rows = (len(batch) + 1) * max(longest, rider.rows)
            would_mix = is_mixed or name != leader.tenant
            max_cost = self.max_mixed_cost if would_mix else self.max_batch_cost
            if padded_rows <= self.max_batch_rows and cost + rider.cost <= max_cost:
                batch.append(self._pop(rider))
                longest, cost, is_mixed = max(longest, rider.rows), cost + rider.cost, would_mix
                if name in self._tenants:
                    heappush(riders, (-self._tenants[name].credit, turn, name))
        self._charge_padding(batch, longest)
        return batch

    def _charge_padding(self, batch: list[Job[Payload]], longest: int) -> None:
        for job in batch:
            if job.pads and job.tenant in self._tenants:
                self._tenants[job.tenant].credit -= job.cost * (longest / job.rows - 1)

    def _take_turn(self, present: list[str]) -> Job[Payload]:
        """Grant these credit in rounds until one can pay for its oldest job; that tenant then goes last."""
        rounds = {}
        for name in present:
            tenant = self._tenants[name]
            rounds[name] = max(0, ceil((tenant.oldest().cost - tenant.credit) / self.quantum))
        chosen = min(rounds, key=lambda name: rounds[name])  # the first in turn among the equal
        for name in present:
            self._tenants[name].credit += rounds[chosen] * self.quantum
        self._tenants.move_to_end(chosen)
        return self._tenants[chosen].oldest()

    def _first(self, name: str, group: Hashable) -> Job[Payload] | None:
        queue = self._tenants[name].waiting.get(group) if name in self._tenants else None
        return queue[0][1] if queue else None

    def _pop(self, job: Job[Payload]) -> Job[Payload]:
        tenant = self._tenants[job.tenant]
        tenant.pop(job.group)
        tenant.credit -= job.cost
        self._leave(job)
        return job

    def _leave(self, job: Job[Payload]) -> None:
        self.waiting_cost -= job.cost
        self._tenants[job.tenant].cost -= job.cost
        if not self._tenants[job.tenant].waiting:
            del self._tenants[job.tenant]  # credit is not saved up while nothing waits
        if not self._tenants:
            self.waiting_cost = 0.0  # floating point leaves crumbs
