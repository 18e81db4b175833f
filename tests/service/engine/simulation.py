"""A device in virtual time: the pure parts of the engine as the engine joins them, and costs that are as estimated."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import get_args

from service.engine.engine import BATCH_SLICES, INTERACTIVE_SLICES, MIXED_SLICES
from service.engine.room import Room
from service.engine.scheduler import Job, Scheduler
from service.engine.turns import Batch, Lane, Turns

SLICE = 20.0


@dataclass(eq=False)
class Request:
    """Something to be done, and when it was."""

    tenant: str
    lane: Lane
    cost: float
    came: float = 0.0
    began: float | None = None
    ended: float | None = None

    @property
    def took(self) -> float:
        assert self.ended is not None
        return self.ended - self.came


def lane_of(cost: float) -> Lane:
    """As the engine chooses the lane of a prediction."""
    return "interactive" if cost <= INTERACTIVE_SLICES * SLICE else "bulk"


@dataclass
class Device:
    """Runs slices, each as long as the aim is, or as what is left of its batch."""

    on_end: Callable[[Request], Iterable[Request]] = lambda request: ()
    now: float = 0.0
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self._rooms: dict[Lane, Room[Request]] = {lane: Room(lane, _scheduler()) for lane in get_args(Lane)}
        self._turns = Turns()
        self._jobs: dict[Batch, list[Request]] = {}
        self._left: dict[Batch, float] = {}
        self._coming: list[tuple[float, int, Request]] = []
        self._numbers = count()

    def send(self, request: Request) -> None:
        """Let a request come at its time."""
        heappush(self._coming, (max(request.came, self.now), next(self._numbers), request))

    def run(self, until: float = float("inf")) -> None:
        """Work until then, or until nothing is left to do."""
        while self.now < until and (self._turns or self._coming):
            if not self._turns:
                self.now = max(self.now, self._coming[0][0])
            self._let_in()
            self._slice()

    def _let_in(self) -> None:
        while self._coming and self._coming[0][0] <= self.now:
            request = heappop(self._coming)[2]
            job = Job(request.tenant, "all", 1, request.cost, 0.0, request)
            self._rooms[request.lane].scheduler.add(job)
            self._feed()

    def _feed(self) -> None:
        for room in self._rooms.values():
            while (taken := room.take(self.now)) is not None:
                batch, jobs = taken
                self._jobs[batch] = [job.payload for job in jobs]
                self._left[batch] = sum(job.cost for job in jobs)
                self._turns.add(batch)

    def _slice(self) -> None:
        batch, is_first = self._turns.next()
        if is_first:
            self._rooms[batch.lane].begin(batch, self.now)
            for request in self._jobs[batch]:
                request.began = self.now
            self._feed()
        cost = min(SLICE, self._left[batch])
        started = self.now
        while self._coming and self._coming[0][0] <= started + cost:  # they come while it runs
            self.now = self._coming[0][0]
            self._let_in()
        self.now = started + cost
        self._left[batch] -= cost
        self._turns.charge(batch, cost)
        for tenant, share in batch.shares.items():
            self.spent[tenant] += share * cost
        if self._left[batch] <= 1e-9:
            self._end(batch)

    def _end(self, batch: Batch) -> None:
        self._turns.remove(batch)
        self._rooms[batch.lane].end(batch, self.now)
        for request in self._jobs.pop(batch):
            request.ended = self.now
            for following in self.on_end(request):
                following.came = self.now
                self.send(following)
        self._let_in()
        self._feed()


def _scheduler() -> Scheduler[Request]:
    return Scheduler(
        max_batch_rows=4096,
        max_batch_cost=BATCH_SLICES * SLICE,
        max_mixed_cost=MIXED_SLICES * SLICE,
        max_waiting_cost=1e12,
        quantum=SLICE,
    )
