"""One batch on the device's thread: load what was fetched, compute, and keep a task that fails from the others."""

import logging
from collections.abc import Callable, Generator, Sequence
from hashlib import sha256
from time import monotonic
from typing import Any, TypeAlias

import numpy as np

from service.codec import unpack_params
from service.engine.arrays import Adapted, Array, Encoded, LabelledArrays, ScoreArrays
from service.engine.ask import Answer, Ask, NewRows, Outcome, Query
from service.engine.cache import CachedTask
from service.engine.compute import Compute, timed
from service.engine.worker import Work
from service.errors import ComputationFailed
from service.metrics import Metrics

log = logging.getLogger(__name__)

Made: TypeAlias = Adapted | Encoded | ScoreArrays
Deliver: TypeAlias = Callable[[Sequence[Outcome]], None]


def run_batch(compute: Compute, asks: Sequence[Ask[Any]], deliver: Deliver, metrics: Metrics) -> Work:
    """Answer every ask of one kind and model; if the batch raises, its halves are tried, down to the one bad task."""
    kind, digest = asks[0].kind, asks[0].digest
    began = monotonic()
    try:
        results, compute_ms = yield from timed(_compute(compute, asks))
    except Exception as error:
        if len(asks) == 1:
            log.warning("%s failed alone", kind, exc_info=error)
            deliver([(asks[0], ComputationFailed(f"The {kind} failed on the device."))])
            return
        for half in (asks[: len(asks) // 2], asks[len(asks) // 2 :]):
            yield from run_batch(compute, half, deliver, metrics)
        return
    num_rows = sum(ask.num_rows for ask in asks)
    compute.paces[digest, kind].observe(num_rows, compute_ms)
    metrics.compute_seconds.labels(kind).observe(compute_ms / 1000)
    metrics.batch_tasks.labels(kind).observe(len(asks))
    metrics.batch_rows.labels(kind).observe(num_rows)
    outcomes: list[Outcome] = []
    for ask, result in zip(asks, results, strict=True):
        queue_ms = 1000 * (began - ask.added_at)
        metrics.queue_seconds.labels(kind).observe(queue_ms / 1000)
        outcomes.append((ask, _answer(ask, result, queue_ms, compute_ms)))
    deliver(outcomes)


def _compute(compute: Compute, asks: Sequence[Ask[Any]]) -> Generator[None, None, Sequence[Made]]:
    digest = asks[0].digest
    supports = [ask.work for ask in asks if isinstance(ask.work, LabelledArrays)]
    if supports:
        return (yield from compute.adapt(digest, supports))
    rows = [ask.work.rows for ask in asks if isinstance(ask.work, NewRows)]
    if rows:
        return (yield from compute.encode(digest, rows))
    queries = [ask.work for ask in asks if isinstance(ask.work, Query)]
    loaded: dict[object, CachedTask] = {}  # a task asked twice in a batch is loaded once
    for query in queries:
        if not isinstance(query.found, CachedTask):
            query.found = loaded.get(query.key) or _load(compute, digest, query)
        loaded[query.key] = query.found
    return (yield from compute.predict(digest, [(loaded[query.key].params, query.inputs) for query in queries]))


def _load(compute: Compute, digest: str, query: Query) -> CachedTask:
    """Stored bytes onto the device; raises ValueError if they are damaged or of another shape."""
    stored = query.found
    assert stored is not None and not isinstance(stored, CachedTask) and stored.params is not None
    if sha256(stored.params).hexdigest() != stored.params_digest:
        raise ValueError(f"the stored params of task {query.key} do not have the digest they were stored with")
    params = compute.params_from(unpack_params(stored.params, compute.layout(digest)))
    return CachedTask(stored.version, stored.model_digest, stored.labels, params, monotonic())


def _answer(ask: Ask[Any], result: Made, queue_ms: float, compute_ms: float) -> Answer[Any] | Exception:
    """The answer to one ask, refused if any number in it is not finite."""
    arrays: list[Array] = list((result.params if isinstance(result, Adapted) else vars(result)).values())
    if not all(np.isfinite(array).all() for array in arrays):
        return ComputationFailed(f"The {ask.kind} made numbers that are not finite.")
    if isinstance(ask.work, Query) and isinstance(ask.work.found, CachedTask):
        return Answer(result, queue_ms, compute_ms, ask.work.found.version, ask.work.found.labels)
    return Answer(result, queue_ms, compute_ms)
