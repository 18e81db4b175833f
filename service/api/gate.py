"""How many requests a tenant may send, at once and a second; counted in this process."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from time import monotonic

from service.errors import RateLimited, TooManyInFlight
from service.settings import Settings

BUSY_RETRY_S = 1.0
MAX_KNOWN = 10_000  # tenants whose buckets are remembered; full ones need not be
BURST_S = 2.0  # of the rate that may come at once, unless a burst is set


class Gate:
    """A token bucket a tenant, which is refilled at the rate, and a count of what is in flight."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = monotonic) -> None:
        self.rate_per_s = settings.max_tenant_requests_per_s
        self.burst = settings.max_tenant_burst or max(1, round(BURST_S * (self.rate_per_s or 0)))
        self.max_in_flight = settings.max_tenant_in_flight
        if self.max_in_flight is None and settings.auth != "off":
            self.max_in_flight = max(1, settings.max_in_flight // 2)
        self._clock = clock
        self._in_flight: Counter[str] = Counter()
        # tokens, and when there were so many; those that were asked longest ago, the fullest, come first
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def enter(self, tenant: str) -> None:
        """Count a request in, until `leave`. Raises RateLimited or TooManyInFlight."""
        if self.max_in_flight is not None and self._in_flight[tenant] >= self.max_in_flight:
            raise TooManyInFlight(
                f"The tenant has {self.max_in_flight} requests in flight already.", retry_after_s=BUSY_RETRY_S
            )
        if self.rate_per_s is not None:
            tokens = self._tokens(tenant, self.rate_per_s)
            if tokens < 1:
                raise RateLimited(
                    f"The tenant may send {self.rate_per_s:g} requests a second.",
                    retry_after_s=(1 - tokens) / self.rate_per_s,
                )
            self._remember(tenant, tokens - 1, self.rate_per_s)
        self._in_flight[tenant] += 1

    def leave(self, tenant: str) -> None:
        """The request has been answered."""
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]

    def in_flight(self, tenant: str) -> int:
        """Requests of the tenant that are being served."""
        return self._in_flight[tenant]

    def available(self, tenant: str) -> int | None:
        """Requests that the tenant could send at once; none where there is no rate."""
        return None if self.rate_per_s is None else int(self._tokens(tenant, self.rate_per_s))

    def _tokens(self, tenant: str, rate_per_s: float) -> float:
        tokens, moment = self._buckets.get(tenant, (float(self.burst), self._clock()))
        return min(self.burst, tokens + (self._clock() - moment) * rate_per_s)

    def _remember(self, tenant: str, tokens: float, rate_per_s: float) -> None:
        self._buckets[tenant] = tokens, self._clock()
        self._buckets.move_to_end(tenant)
        while len(self._buckets) > MAX_KNOWN and self._is_full(oldest := next(iter(self._buckets)), rate_per_s):
            del self._buckets[oldest]

    def _is_full(self, tenant: str, rate_per_s: float) -> bool:
        return self._tokens(tenant, rate_per_s) >= self.burst
