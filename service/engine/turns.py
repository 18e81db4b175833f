"""Which batch gets the device's next slice: pure bookkeeping, without clock, thread or torch."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeAlias, TypeVar

Lane: TypeAlias = Literal["interactive", "bulk", "background"]
Key = TypeVar("Key", bound=Hashable)

# of one tenant: its predictions go before its adaptations, and those before what takes minutes; none waits for ever
WEIGHTS: Final[Mapping[Lane, float]] = {"interactive": 6, "bulk": 3, "background": 1}
MAX_UNDER_WAY: Final = 4  # batches of a lane that have begun: each keeps its rows and its params in memory


@dataclass(frozen=True, eq=False)
class Batch:
    """Work that runs together: its lane, the share that each tenant has in its cost, and that, in milliseconds."""

    lane: Lane
    shares: Mapping[str, float]
    cost: float = 0.0

    @property
    def main(self) -> str | None:
        """The tenant that more than half of it is for."""
        tenant = max(self.shares, key=lambda name: self.shares[name])
        return tenant if self.shares[tenant] > 0.5 else None


class Fair(Generic[Key]):
    """Start-time fair queueing (Goyal, Vin & Cheng, 1996): who has been served least, for its weight, is next.

    Who comes back begins beside those who stayed: turns that were not used are not saved up.
    """

    def __init__(self, weights: Mapping[Key, float] | None = None) -> None:
        self._weights = weights or {}
        self._served: dict[Key, float] = {}
        self._now = 0.0
        self._last: Key | None = None

    def first(self, present: Iterable[Key]) -> Key:
        """Who is next of those that have work; among equals the last one goes on."""
        served = {key: max(self._served.get(key, 0.0), self._now) for key in present}
        self._last = min(served, key=lambda key: (served[key], key != self._last))
        self._now = served[self._last]
        self._served = {key: sum_ for key, sum_ in self._served.items() if sum_ > self._now} | served
        return self._last

    def charge(self, key: Key, cost: float) -> None:
        """Count what it has been served."""
        self._served[key] = max(self._served.get(key, 0.0), self._now) + cost / self._weights.get(key, 1.0)


class Turns:
    """Batches that are ready or under way. The device goes to tenants in equal parts, whatever they ask in each lane.

    A batch of several tenants has its turn with the one of them that has been served least, and is charged to all.
    """

    def __init__(self) -> None:
        self._batches: dict[Batch, bool] = {}  # in order of arrival, and whether they have begun
        self._tenants: Fair[str] = Fair()
        self._lanes: dict[str, Fair[Lane]] = {}

    def __bool__(self) -> bool:
        return bool(self._batches)

    def add(self, batch: Batch) -> None:
        """Let a batch take turns from now on."""
        self._batches[batch] = False

    def next(self) -> tuple[Batch, bool]:
        """Whose slice is next, and whether it is the first of its batch; there must be one."""
        may_run = self._may_run()
        present = dict.fromkeys(tenant for batch in may_run for tenant in batch.shares)
        tenant = self._tenants.first(present)
        self._lanes = {name: lanes for name, lanes in self._lanes.items() if name in present}
        own = [batch for batch in may_run if tenant in batch.shares]
        lanes = {batch.lane for batch in own}
        lane = self._lanes.setdefault(tenant, Fair(WEIGHTS)).first([each for each in WEIGHTS if each in lanes])
        chosen = next(batch for batch in own if batch.lane == lane)
        is_first, self._batches[chosen] = not self._batches[chosen], True
        return chosen, is_first

    def charge(self, batch: Batch, cost: float) -> None:
        """Count a slice of this batch."""
        for tenant, share in batch.shares.items():
            self._tenants.charge(tenant, share * cost)
            if tenant in self._lanes:
                self._lanes[tenant].charge(batch.lane, share * cost)

    def remove(self, batch: Batch) -> None:
        """The batch is over."""
        del self._batches[batch]

    def _may_run(self) -> list[Batch]:
        """Those that have begun, and the others of lanes in which not too many have."""
        begun = [batch.lane for batch, has_begun in self._batches.items() if has_begun]
        return [
            batch for batch, has_begun in self._batches.items() if has_begun or begun.count(batch.lane) < MAX_UNDER_WAY
        ]
