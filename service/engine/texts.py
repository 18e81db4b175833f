"""Features of texts that were just encoded: equal texts of one tenant are encoded once while they are remembered."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor

from service.engine.arrays import Array
from service.metrics import Metrics

ENTRY_BYTES = 700  # what Python and torch take beside a row and its features, measured

Key = tuple[str, str, bytes]  # tenant, model digest, the row


class Texts:
    """The last features by tenant, model and row, bounded in bytes; read by the device's threads, cleared elsewhere."""

    def __init__(self, max_bytes: int, metrics: Metrics) -> None:
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._num_bytes = 0
        self._kept: OrderedDict[Key, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, keys: Sequence[Key]) -> dict[Key, Tensor]:
        """Those that are remembered."""
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        num_hits = sum(key in found for key in keys)
        self._metrics.text_cache_hits.inc(num_hits)
        self._metrics.text_cache_misses.inc(len(keys) - num_hits)
        return found

    def put(self, made: dict[Key, Tensor]) -> None:
        """Remember these, and forget what was not asked for longest."""
        with self._lock:
            for key, features in made.items():
                if key not in self._kept:
                    self._kept[key] = features
                    self._num_bytes += _size(key, features)
            while self._num_bytes > self._max_bytes:
                self._num_bytes -= _size(*self._kept.popitem(last=False))
                self._metrics.text_cache_evictions.inc()
            self._metrics.text_cache_bytes.set(self._num_bytes)

    def clear(self) -> None:
        """Forget all: what was forgotten elsewhere must not outlive a sweep here."""
        with self._lock:
            self._kept.clear()
            self._num_bytes = 0
            self._metrics.text_cache_bytes.set(0)


def keys_of(digest: str, tenants: Sequence[str], rows: Sequence[Array]) -> list[Key]:
    """The keys of the rows of requests, one after another."""
    return [(tenant, digest, row.tobytes()) for tenant, part in zip(tenants, rows, strict=True) for row in part]


def _size(key: Key, features: Tensor) -> int:
    return ENTRY_BYTES + len(key[2]) + features.numel() * features.element_size()
