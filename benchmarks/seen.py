"""What a run of the load generator saw, and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from benchmarks.usage import Usage

OK = range(200, 300)
QUANTILES = (0.5, 0.95, 0.99)
HEAD = ("", "answers/s", "p50 ms", "p95", "p99", "CPU-ms a request", "generator's", "resident MiB")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """Each request of a run, in seconds from the beginning of what is measured; the warm-up has negative ones."""

    seconds: float
    due_s: Floats
    sent_s: Floats
    ended_s: Floats
    status: Integers

    def per_s(self, statuses: Sequence[int] = OK) -> float:
        """Answers of these statuses a second."""
        is_inside = (self.ended_s >= 0) & (self.ended_s < self.seconds)
        return float((np.isin(self.status, statuses) & is_inside).sum()) / self.seconds

    def rate(self, statuses: Sequence[int] = OK) -> float:
        """Answers a second, each by the share of its time from when it was sent that was measured.

        A server that works for all its clients at once also answers them at once: whole answers would be as many as
        rounds happen to end, be it two or three.
        """
        taken = self.ended_s - self.sent_s
        inside = np.minimum(self.ended_s, self.seconds) - np.maximum(self.sent_s, 0)
        chosen = np.isin(self.status, statuses) & (inside > 0)
        return float((inside[chosen] / taken[chosen]).sum()) / self.seconds

    def ms(self, statuses: Sequence[int] = OK) -> Floats:
        """How long each request of these statuses took from when it was due."""
        chosen = np.isin(self.status, statuses) & self._is_measured
        return 1000 * (self.ended_s - self.due_s)[chosen]

    def late_ms(self) -> Floats:
        """How much later than due each was sent: the generator's own fault, or that of too few connections."""
        return 1000 * (self.sent_s - self.due_s)[self._is_measured]

    def counts(self) -> dict[int, int]:
        """How many requests there were of each status."""
        statuses, counts = np.unique(self.status[self._is_measured], return_counts=True)
        return dict(zip(statuses.tolist(), counts.tolist(), strict=True))

    @property
    def _is_measured(self) -> npt.NDArray[np.bool_]:
        return (self.due_s >= 0) & (self.due_s < self.seconds)


@dataclass(frozen=True)
class Used:
    """What a process used while it was measured."""

    before: Usage
    after: Usage

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU."""
        return self.after.cpu_s - self.before.cpu_s


@dataclass(frozen=True)
class Measured:
    """A run, and what the server and the generator used meanwhile."""

    seen: Seen
    server: Used
    generator: Used

    def row(self, name: str) -> list[str]:
        """What is told of it."""
        ms, num_asked = self.seen.ms(), sum(self.seen.counts().values())
        quantiles = np.quantile(ms, QUANTILES) if len(ms) else [inf] * len(QUANTILES)
        cpu_ms = [f"{1000 * each.cpu_s / max(num_asked, 1):.3f}" for each in (self.server, self.generator)]
        memory = f"{self.server.after.resident_mib:.0f}"
        return [name, f"{self.seen.per_s():.0f}", *(f"{each:.1f}" for each in quantiles), *cpu_ms, memory]
