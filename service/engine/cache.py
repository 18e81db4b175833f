"""Adapted params kept in memory, least recently used out first, bounded in bytes."""

import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from service.engine.packed import Packed
from service.fields import Prior
from service.metrics import Metrics

Thresholds: TypeAlias = Sequence[tuple[float, float]]  # coverage of label sets, and the least log-probability in them

TASK_BYTES = 500  # what Python takes beside numbers and texts, measured


@dataclass(slots=True)
class CachedTask:
    """One version of one task's params, trimmed to its true sizes, and when it was last known to be current."""

    version: int
    model_digest: str
    params: Packed
    checked_at: float
    texts: bytes = b"[null,null,null,1]"  # what `told` tells
    prior: Prior | None = None

    @property
    def told(self) -> tuple[list[str] | None, list[str] | None, Thresholds | None, float]:
        """Labels, slots, thresholds and temperature: as JSON, since objects would take more than some tasks' params."""
        labels, slots, thresholds, temperature = orjson.loads(self.texts)
        return labels, slots, thresholds, temperature

    @property
    def num_bytes(self) -> int:
        """What it takes in memory."""
        prior = sys.getsizeof(self.prior)
        if isinstance(self.prior, Mapping):
            prior += sum(sys.getsizeof(label) + sys.getsizeof(share) for label, share in self.prior.items())
        return TASK_BYTES + len(self.params.values) + len(self.texts) + prior


def texts_of(
    labels: Sequence[str] | None,
    slots: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    temperature: float = 1.0,
) -> bytes:
    """What a task is to tell."""
    told = orjson.dumps([labels, slots, thresholds, temperature])
    return memoryview(told).tobytes()  # orjson's own keep room for more


class Cache:
    """Keyed by (tenant, task), newest version only. Used from the event loop alone, so it needs no lock."""

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._tasks: OrderedDict[tuple[str, str], CachedTask] = OrderedDict()
        self._metrics = metrics
        self.num_drops = 0

    def get(self, key: tuple[str, str]) -> CachedTask | None:
        """The task as cached, whatever its age; the caller checks that it is current."""
        found = self._tasks.get(key)
        if found is not None:
            self._tasks.move_to_end(key)
        return found

    def put(self, key: tuple[str, str], task: CachedTask) -> None:
        """Keep a task; a version older than the one kept is ignored, since two batches may finish out of order."""
        kept = self._tasks.get(key)
        if kept is task or (kept is not None and kept.version > task.version):
            return
        self._remove(key)
        self._tasks[key] = task
        self._num_bytes += task.num_bytes
        while self._num_bytes > self._max_bytes:
            _, evicted = self._tasks.popitem(last=False)
            self._num_bytes -= evicted.num_bytes
            self._metrics.cache_evictions.inc()
        self._metrics.cache_bytes.set(self._num_bytes)

    def drop(self, key: tuple[str, str], version: int | None = None) -> None:
        """Forget a task, if it is kept; given a version, only if that is the one kept."""
        self.num_drops += 1
        kept = self._tasks.get(key)
        if kept is not None and version in (None, kept.version):
            self._remove(key)

    def _remove(self, key: tuple[str, str]) -> None:
        dropped = self._tasks.pop(key, None)
        if dropped is not None:
            self._num_bytes -= dropped.num_bytes
            self._metrics.cache_bytes.set(self._num_bytes)

    def versions(self) -> dict[tuple[str, str], int]:
        """The version that is kept of each task."""
        return {key: task.version for key, task in self._tasks.items()}
