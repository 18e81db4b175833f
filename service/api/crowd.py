"""How many requests may be inside at once, so that the last of them waits no longer than it may."""

from collections import Counter, deque
from typing import Final

LEAST: Final = 16  # that are always let in; with fewer inside, how fast they are answered does not tell what could be
WINDOW_S: Final = 0.25  # of what was answered, measured together
NUM_WINDOWS: Final = 8  # of which the best counts: to be held up now and then is no measure of what can be done


class Crowd:
    """Little's law: what is inside takes as long as so many took to be answered lately. It is told the time.

    Tenants share the room: who has less than an equal part of it inside is let in though it is full, counted in
    requests or in their bytes: what asks about more takes longer. By their bytes no more come in than twice as many.
    """

    def __init__(self, *, max_wait_s: float, most: int) -> None:
        self.num_inside = 0
        self._max_wait_s = max_wait_s
        self._most = most
        self._inside: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._rates: deque[float] = deque(maxlen=NUM_WINDOWS)
        self.limit: float = most  # requests that may be inside
        self._began_at = 0.0
        self._num_answered = self._num_failed = self._peak = 0  # in this window

    @property
    def rate_per_s(self) -> float | None:
        """Of answers, while there was enough to do; none before that."""
        return max(self._rates, default=None)

    @property
    def is_full(self) -> bool:
        """Whether as many are inside as may be."""
        return self.num_inside >= self.limit

    def has_room(self, tenant: str) -> bool:
        """Whether a request of this tenant may come in."""
        if not self.is_full:
            return True
        num_own, part = self._inside.get(tenant, 0), self.limit / (len(self._inside) + (tenant not in self._inside))
        if num_own < part:
            return True
        if self.num_inside >= 2 * self.limit:
            return False
        return num_own < self.limit and self._bytes[tenant] < part * self._bytes.total() / self.num_inside

    def enter(self, tenant: str, num_bytes: int = 1) -> None:
        """One more is inside, until it leaves."""
        self.num_inside += 1
        self._inside[tenant] += 1
        self._bytes[tenant] += num_bytes
        self._peak = max(self._peak, self.num_inside)

    def leave(self, tenant: str, now: float, num_bytes: int = 1, *, is_done: bool = True) -> None:
        """One is over, and counts as answered if it was done."""
        self.withdraw(tenant, num_bytes)
        self._num_answered += is_done
        self._num_failed += not is_done
        self._measure(now)

    def withdraw(self, tenant: str, num_bytes: int = 1) -> None:
        """One is no longer counted, and says nothing of how fast others are."""
        self.num_inside -= 1
        self._inside[tenant] -= 1
        self._bytes[tenant] -= num_bytes
        if not self._inside[tenant]:
            del self._inside[tenant], self._bytes[tenant]

    def _measure(self, now: float) -> None:
        """Windows in which most was not done say nothing, or who has no key could say how many come in."""
        elapsed_s = now - self._began_at
        if elapsed_s >= WINDOW_S:
            is_telling = self._num_answered > self._num_failed and elapsed_s < 2 * WINDOW_S
            if is_telling and self._peak >= LEAST:
                self._rates.append(self._num_answered / elapsed_s)
                self.limit = min(self._most, max(LEAST, max(self._rates) * self._max_wait_s))
            self._began_at, self._num_answered, self._num_failed, self._peak = now, 0, 0, self.num_inside
