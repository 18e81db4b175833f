"""Reads see writes: before a batch runs, one read says which of its tasks are gone, changed, or as cached."""

import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from service.engine.apart import Apart
from service.engine.ask import Ask, Fetched, Key, Query
from service.engine.cache import Cache, CachedTask
from service.errors import ComputationFailed, DatabaseUnavailable, TaskDamaged, TaskNotFound
from service.metrics import Metrics
from service.timeouts import within

log = logging.getLogger(__name__)

# (tenant, task, cached version or None) for each task of a batch -> those that exist; ONE statement
Fetch: TypeAlias = Callable[[Sequence[tuple[str, str, int | None]]], Coroutine[Any, Any, Mapping[Key, Fetched]]]
# (tenant, task, version) -> those that exist and were not erased; ONE statement
Version: TypeAlias = tuple[str, str, int]
FetchVersions: TypeAlias = Callable[[Sequence[Version]], Coroutine[Any, Any, Mapping[Version, Fetched]]]
Wanted: TypeAlias = tuple[str, str, int | None]

SLOW = "The database does not answer in time."

Result = TypeVar("Result")
Found: TypeAlias = Fetched | CachedTask | Exception


class TaskMoved(Exception):
    """The task was adapted anew on another model digest: decode its inputs for that one and ask again."""

    def __init__(self, model_digest: str) -> None:
        super().__init__(model_digest)
        self.model_digest = model_digest


class VersionGone(Exception):
    """The stated version is not there any more: it was erased, or it went by itself, or with its task."""


class CurrentParams:
    """Finds the params of a batch's tasks: in the cache where the database says they are current, else as stored.

    A query that states a version gets the params of that one, as stored; one that brings its params keeps them.
    """

    def __init__(
        self,
        fetch: Fetch,
        fetch_versions: FetchVersions,
        cache: Cache,
        *,
        timeout_s: float,
        max_staleness_s: float,
        stale_after_s: float,
        metrics: Metrics,
    ) -> None:
        self._fetch = fetch
        self._fetch_versions = fetch_versions
        self._apart: Apart[Key] = Apart()
        self._apart_versions: Apart[Version] = Apart()
        self._timeout_s = timeout_s
        self._cache = cache
        self._max_staleness_s = max_staleness_s
        self._stale_after_s = min(stale_after_s, timeout_s)
        self._metrics = metrics

    async def find(self, asks: Sequence[Ask[Any]]) -> list[Ask[Any]]:
        """The asks that can be served now, each query with what was `found`; the others get their error."""
        now = monotonic()
        queries = [ask.work for ask in asks if isinstance(ask.work, Query) and ask.work.found is None]
        found = await self._look_up({query.key for query in queries if query.version is None}, now)
        found |= await self._look_up_versions({(*query.key, query.version) for query in queries if query.version})
        served, read_at = [], monotonic()
        for ask in asks:
            if isinstance(ask.work, Query) and ask.work.found is None:
                answer = found[ask.work.wanted]
                if not isinstance(answer, Exception) and answer.model_digest != ask.digest:
                    answer = TaskMoved(answer.model_digest)
                if isinstance(answer, Exception):
                    ask.settle(answer)
                    continue
                ask.work.found, ask.work.read_at, ask.work.num_drops = answer, now, self._cache.num_drops
                ask.fetched = now, read_at
            served.append(ask)
        return served

    async def _look_up(self, keys: Set[Key], now: float) -> dict[Wanted, Found]:
        if not keys:
            return {}
        found = await self._apart.read(keys, partial(self._current_of, now=now))
        return {(*key, None): each for key, each in found.items()}

    async def _current_of(self, keys: Set[Key], now: float) -> dict[Key, Found]:
        kept = {key: self._cache.get(key) for key in keys}
        reading = self._fetch([(*key, task.version if task else None) for key, task in kept.items()])
        may_wait_s = self._stale_after_s if all(map(self._may_serve, kept.values())) else self._timeout_s
        stored = await self._read(reading, may_wait_s)
        if isinstance(stored, DatabaseUnavailable):
            return {key: self._while_away(task, stored) for key, task in kept.items()}
        if isinstance(stored, ComputationFailed):
            return dict.fromkeys(keys, stored)
        return {key: self._current(key, stored.get(key), task, now) for key, task in kept.items()}

    async def _look_up_versions(self, wanted: Set[Version]) -> dict[Wanted, Found]:
        """Past the cache, which keeps what is current: a stated version is asked for rarely, and may be erased."""
        found = await self._apart_versions.read(wanted, self._versions_of) if wanted else {}
        return {key: each for key, each in found.items()}  # noqa: C416 - the keys of a dict are invariant

    async def _versions_of(self, wanted: Set[Version]) -> dict[Version, Found]:
        stored = await self._read(self._fetch_versions(list(wanted)), self._timeout_s)
        if isinstance(stored, Exception):
            return dict.fromkeys(wanted, stored)
        return {each: stored.get(each) or VersionGone() for each in wanted}

    async def _read(
        self, reading: Coroutine[Any, Any, Result], may_wait_s: float
    ) -> Result | DatabaseUnavailable | ComputationFailed:
        """What is read. Raises TaskDamaged; any other fault is the program's, and says nothing of the tasks."""
        try:
            return await within(may_wait_s, reading)
        except TimeoutError:
            return DatabaseUnavailable(SLOW, retry_after_s=1)
        except DatabaseUnavailable as error:
            return error
        except TaskDamaged:
            raise
        except Exception:
            log.exception("reading params failed")
            return ComputationFailed("The task's params could not be read.")

    def _current(self, key: Key, stored: Fetched | None, kept: CachedTask | None, now: float) -> Found:
        if stored is None:
            self._cache.drop(key)
            return TaskNotFound(f"There is no task {key[1]!r}.")
        if stored.params is None and kept is not None and stored.version == kept.version:
            kept.checked_at = now
            self._metrics.cache_hits.inc()
            # another query of this task may be under way with what was true when it was asked
            return kept if stored.prior == kept.prior else replace(kept, prior=stored.prior)
        self._metrics.cache_misses.inc()
        return stored

    def _while_away(self, kept: CachedTask | None, error: Exception) -> Found:
        """What is cached, if it may serve."""
        return kept if kept is not None and self._may_serve(kept) else error

    def _may_serve(self, kept: CachedTask | None) -> bool:
        """With the database away, cached params may serve for KSHOT_MAX_STALENESS_S after they were last checked."""
        return kept is not None and monotonic() - kept.checked_at < self._max_staleness_s
