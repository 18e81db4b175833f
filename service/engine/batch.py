"""One batch on a thread of the device: load what was fetched, compute, and keep a task that fails from the others."""

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from sys import intern
from time import monotonic
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from prometheus_client import Histogram

from service.codec import DamagedParams, stored_params
from service.engine.arrays import Adapted, Array, Encoded, LabelledArrays, ScoreArrays
from service.engine.ask import Answer, Ask, NewRows, Outcome, Query
from service.engine.cache import CachedTask, texts_of
from service.engine.compute import Compute
from service.engine.pace import timed
from service.engine.packed import pack
from service.engine.slices import padded_rows
from service.engine.transfer import transfer
from service.engine.worker import Work
from service.errors import ComputationFailed, KshotError, TaskDamaged
from service.logs import FIELDS
from service.metrics import Metrics

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Made: TypeAlias = Adapted | Encoded | ScoreArrays
REPAIR = "Roll back to another version, or adapt the task anew (readapt)."
Deliver: TypeAlias = Callable[[Sequence[Outcome]], None]


class Abandoned(Exception):
    """Nobody waits for this batch any more."""


def run_batch(compute: Compute, asks: Sequence[Ask[Any]], deliver: Deliver, metrics: Metrics) -> Work:
    """Answer every ask of one kind and model. A task whose params are damaged is told so, and the others computed."""
    asks = [ask for ask in asks if not ask.future.done()]
    if asks:
        refused = _load_all(compute, asks)
        if refused:
            deliver(refused)
        told = {ask for ask, _ in refused}
        yield from _run([ask for ask in asks if ask not in told], compute, deliver, metrics)


def _run(asks: Sequence[Ask[Any]], compute: Compute, deliver: Deliver, metrics: Metrics) -> Work:
    """If the batch raises, its halves are tried, down to the one bad task."""
    asks = [ask for ask in asks if not ask.future.done()]
    if not asks:
        return
    kind, began = asks[0].kind, monotonic()
    for ask in asks:
        ask.began_at = began
    try:
        results, compute_ms = yield from timed(_while_wanted(_compute(compute, asks), asks))
        waited = metrics.queue_seconds.labels(kind)
        answers = [_answer(*pair, began, compute_ms, waited, metrics) for pair in zip(asks, results, strict=True)]
    except Abandoned:
        return
    except Exception as error:
        told = error if len(asks) == 1 else None
        log.warning("%s of %d failed", kind, len(asks), exc_info=told, extra={FIELDS: asks[0].about} if told else None)
    else:
        _observe(compute, asks, began, compute_ms, metrics)
        deliver(list(zip(asks, answers, strict=True)))
        return
    # not inside the except: its traceback would keep the failed batch's tensors alive
    if len(asks) == 1:
        metrics.failed_computations.labels(kind).inc()
        compute.prove()
        deliver([(asks[0], ComputationFailed(f"The {kind} failed on the device."))])
        return
    for half in (asks[: len(asks) // 2], asks[len(asks) // 2 :]):
        yield from _run(half, compute, deliver, metrics)


def _while_wanted(slices: Generator[None, None, Result], asks: Sequence[Ask[Any]]) -> Generator[None, None, Result]:
    """The same slices, for as long as anybody waits for the answer."""
    while True:
        try:
            next(slices)
        except StopIteration as done:
            return cast(Result, done.value)
        if all(ask.future.done() for ask in asks):
            raise Abandoned
        yield


def _observe(compute: Compute, asks: Sequence[Ask[Any]], began: float, compute_ms: float, metrics: Metrics) -> None:
    kind, digest, lengths = asks[0].kind, asks[0].digest, [ask.num_rows for ask in asks]
    num_rows = sum(lengths)
    compute.paces[digest, kind].observe(num_rows, compute_ms)
    metrics.compute_seconds.labels(kind).observe(compute_ms / 1000)
    metrics.batch_tasks.labels(kind).observe(len(asks))
    metrics.batch_rows.labels(kind).observe(num_rows)
    num_padding = padded_rows(kind, lengths, compute.slice_rows[digest]) - num_rows
    metrics.padding_rows.labels(kind).inc(num_padding)
    traces = [ask.trace for ask in asks if ask.trace is not None]
    if traces:
        told = {"kind": kind, "tasks": len(asks), "rows": num_rows, "padding": num_padding, "device_ms": compute_ms}
        traces[0].record_batch("batch", traces, began, **told)


def _compute(compute: Compute, asks: Sequence[Ask[Any]]) -> Generator[None, None, Sequence[Made]]:
    digest, tenants = asks[0].digest, [ask.tenant for ask in asks]
    supports = [ask.work for ask in asks if isinstance(ask.work, LabelledArrays)]
    if asks[0].kind == "transfer":
        return (yield from transfer(compute, digest, supports))
    if supports:
        return (yield from compute.adapt(digest, supports, tenants))
    rows = [ask.work.rows for ask in asks if isinstance(ask.work, NewRows)]
    if rows:
        return (yield from compute.encode(digest, rows, tenants))
    queries = [ask.work for ask in asks if isinstance(ask.work, Query)]
    asked = [(cast(CachedTask, query.found).params, query.inputs) for query in queries]
    return (yield from compute.predict(digest, asked, tenants))


def _load_all(compute: Compute, asks: Sequence[Ask[Any]]) -> list[Outcome]:
    """Take in what was fetched; whose could not be taken in, and why not."""
    loaded: dict[object, CachedTask | KshotError] = {}  # a task asked twice in a batch is loaded once
    refused: list[Outcome] = []
    for ask in asks:
        query = ask.work
        if not isinstance(query, Query) or isinstance(query.found, CachedTask):
            continue
        if query.wanted not in loaded:
            loaded[query.wanted] = _load(compute, ask.digest, query)
        found = loaded[query.wanted]
        if isinstance(found, CachedTask):
            query.found = found
        else:
            refused.append((ask, type(found)(found.detail)))
    return refused


def _load(compute: Compute, digest: str, query: Query) -> CachedTask | KshotError:
    """Stored bytes as the cache keeps them, or what is wrong with them."""
    stored = query.found
    assert stored is not None and not isinstance(stored, CachedTask) and stored.params is not None
    try:
        arrays, header = stored_params(
            stored.params, stored.params_digest, compute.layout(digest), compute.own_sizes[digest]
        )
        params = pack(arrays)
        told = header.get("slots"), header.get("thresholds"), header.get("temperature", 1.0)
        texts = texts_of(stored.labels, *told)
    except TypeError as error:  # half of a surrogate pair, which is no text
        log.error("texts of %s, version %d, are damaged: %s", query.key, stored.version, error)
        return TaskDamaged(f"The stored labels of version {stored.version} are damaged: {error}. {REPAIR}")
    except DamagedParams as error:
        log.error("params of %s, version %d, are damaged: %s", query.key, stored.version, error)
        return TaskDamaged(f"The stored params of version {stored.version} are damaged: {error}. {REPAIR}")
    except Exception:
        log.exception("params of %s cannot be unpacked", query.key)
        return ComputationFailed("The task's params could not be unpacked.")
    digest = intern(digest)  # one text for all of its tasks
    return CachedTask(stored.version, digest, params, query.read_at, texts, stored.prior)


def _answer(
    ask: Ask[Any], result: Made, began: float, compute_ms: float, waited: Histogram, metrics: Metrics
) -> Answer[Any] | Exception:
    """The answer to one ask, refused if any number in it is not finite."""
    queue_ms = 1000 * (began - ask.added_at)
    waited.observe(queue_ms / 1000)
    if ask.kind == "transfer" and isinstance(result, Adapted):
        metrics.transfers.labels("used" if result.chosen else "unused").inc()
    arrays: Iterable[Array | None] = _params(result) if isinstance(result, Adapted) else vars(result).values()
    if not all(array is None or np.isfinite(array).all() for array in arrays):
        metrics.failed_computations.labels(ask.kind).inc()
        return ComputationFailed(f"The {ask.kind} made numbers that are not finite.")
    if isinstance(ask.work, Query) and isinstance(ask.work.found, CachedTask):
        found = ask.work.found
        labels, slots, thresholds, temperature = found.told
        return Answer(result, queue_ms, compute_ms, found.version, labels, slots, found.prior, thresholds, temperature)
    return Answer(result, queue_ms, compute_ms)


def _params(adapted: Adapted) -> list[Array]:
    return [*adapted.params.values(), *(adapted.own.params.values() if adapted.own else ())]
