"""Adapt and predict for many tenants at once: what waits is batched, what is stale is read, what fails fails alone."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any, get_args

from models.checkpoint import Checkpoint
from service.engine.arrays import Adapted, Array, Encoded, LabelledArrays, ScoreArrays
from service.engine.ask import Answer, Ask, Fetched, Key, Kind, NewRows, Outcome, Query, Result
from service.engine.batch import run_batch
from service.engine.cache import Cache, CachedTask, texts_of
from service.engine.compute import Compute
from service.engine.device import choose_device, choose_dtype, choose_num_threads, keep_memory
from service.engine.forecasting import MAX_FORECAST_ROWS
from service.engine.freshness import CurrentParams, Fetch, FetchVersions
from service.engine.healing import FIRST, Healing
from service.engine.pace import Pace
from service.engine.packed import pack
from service.engine.room import Room
from service.engine.scheduler import Job, Scheduler
from service.engine.threads import of_torch
from service.engine.turns import Batch, Lane
from service.engine.worker import ALL, APART, Worker
from service.errors import ComputationFailed, DeadlineExceeded, NotReady
from service.logs import note
from service.metrics import Metrics
from service.settings import MIB, Settings

INTERACTIVE_SLICES = 2  # a predict estimated to take longer is bulk work, as every adapt is
BATCH_SLICES = 10  # the most that a batch may cost: its first job waits for its last
MIXED_SLICES = 2  # and where it is of several tenants
JOIN_S = 5.0  # for the device to end its slice, when the process ends
GATHERED_MS = 5.0  # of work that waits: with more the device does not wait for who comes in the same moment
GATHERING_MS = 10.0
MAX_SETTLED = 4  # answers handed over before the event loop looks up

log = logging.getLogger(__name__)


class _Queue:
    """One lane: what waits and what is ready, and the event that its feeder waits for."""

    def __init__(self, lane: Lane, settings: Settings) -> None:
        self.scheduler: Scheduler[Ask[Any]] = Scheduler(
            max_batch_rows=settings.max_batch_rows,
            max_batch_cost=BATCH_SLICES * settings.slice_ms,
            max_mixed_cost=MIXED_SLICES * settings.slice_ms,
            max_waiting_cost=settings.max_queue_ms,
            quantum=settings.slice_ms,
        )
        self.room = Room(lane, self.scheduler)
        self.has_changed = asyncio.Event()
        self.had_several = False  # jobs, in its last batch


class Engine:
    """One device and all that is asked of it. Every method is called on the event loop that called `start`.

    Two stages: a feeder a lane prepares batch n+1 (who is next, which params are stale) on the event loop, while the
    device computes batch n. Nothing waits for a timer: a batch is what waits when the device is nearly free.
    """

    def __init__(
        self,
        checkpoints: Mapping[str, Checkpoint],
        fetch: Fetch,
        fetch_versions: FetchVersions,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        keep_memory()
        device = choose_device(settings.device)
        dtype = choose_dtype(settings.dtype, device)
        text_bytes, num_threads = settings.text_cache_mib * MIB, choose_num_threads(settings)
        self._compute = Compute(checkpoints, device, dtype, metrics, text_bytes, num_threads)
        self._settings = settings
        self._metrics = metrics
        self._cache = Cache(settings.cache_mib * MIB, metrics)
        self._own = {
            (digest, name): self._own_task(digest, name)
            for digest, found in checkpoints.items()
            for name in found.tasks
        }
        self._params = CurrentParams(
            fetch,
            fetch_versions,
            self._cache,
            timeout_s=settings.statement_timeout_s,
            max_staleness_s=settings.max_staleness_s,
            stale_after_s=settings.stale_after_s,
            metrics=metrics,
        )
        self._queues: dict[Lane, _Queue] = {lane: _Queue(lane, settings) for lane in get_args(Lane)}
        self._device = Healing(self._worker, self._compute.proof, self._lose, metrics)
        self._feeders: list[asyncio.Task[None]] = []
        self._open: set[asyncio.Future[Any]] = set()
        self._is_draining = False
        self._is_settling = False  # answers that are there, but not handed over
        self._show_queues()

    async def start(self) -> None:
        """Start the device's threads, run each model once to warm it and to measure its pace, then take work."""
        self._loop = asyncio.get_running_loop()
        await self._device.start(self._compute.warm_up())
        self._feeders = [self._loop.create_task(self._feed(lane)) for lane in self._queues]

    async def stop(self) -> None:
        """Refuse new work, finish what was accepted (at most KSHOT_DRAIN_TIMEOUT_S), end the thread."""
        self._is_draining = True
        if self._open:
            await asyncio.wait(self._open, timeout=self._settings.drain_timeout_s)
        for feeder in self._feeders:
            feeder.cancel()
        await asyncio.gather(*self._feeders, return_exceptions=True)
        self._give_up()
        await self._device.stop(min(JOIN_S, self._settings.drain_timeout_s))

    def _worker(self, on_end: Callable[[], object]) -> Worker:
        return Worker(
            apart=APART if self._compute.device.type == "cpu" else [ALL],
            num_threads=of_torch(choose_num_threads(self._settings)),
            slice_ms=self._settings.slice_ms,
            on_begin=lambda batch: self._loop.call_soon_threadsafe(self._begin, batch),
            on_over=lambda batch: self._loop.call_soon_threadsafe(self._end, batch),
            on_end=on_end,
        )

    @property
    def is_healthy(self) -> bool:
        """Whether the device's threads are alive and get on with their work, and the feeders are alive."""
        worker = self._device.worker
        gets_on = worker.is_alive and worker.slice_s < self._settings.request_timeout_s
        return gets_on and bool(self._feeders) and not any(feeder.done() for feeder in self._feeders)

    def holds(self, digest: str) -> bool:
        """Whether this model is loaded here."""
        return digest in self._compute.own_sizes

    def layout(self, digest: str) -> Mapping[str, str]:
        """The axes of each leaf of this model's params."""
        return self._compute.layout(digest)

    def own_sizes(self, digest: str) -> Mapping[str, int]:
        """The sizes of those axes of this model's params that are the same for every task."""
        return self._compute.own_sizes[digest]

    def keeps_features(self, digest: str) -> bool:
        """Whether this model makes features of inputs that are stored with them."""
        return self._compute.keeps_features(digest)

    def balance_of(self, digest: str) -> float:
        """How far this model's scores take the shares of the labels among the examples for those of the queries."""
        return self._compute.learners[digest].head.balance

    def dtype_of(self, digest: str) -> str:
        """The precision that this model's encoder runs in here, such as "bfloat16"."""
        return self._compute.dtype_of(digest)

    def blank_features(self, digest: str) -> Array:
        """No rows [0 *F] of what this model's head adapts to: their shape and type."""
        return self._compute.blank_features[digest]

    def cached_versions(self) -> dict[Key, int]:
        """The tasks whose params are kept in memory, and of which version."""
        return self._cache.versions()

    def drop(self, key: Key, version: int) -> None:
        """Let go of a task's cached params, if they are of this version still."""
        self._cache.drop(key, version)

    def forget_texts(self) -> None:
        """Let go of the features of texts that were encoded lately."""
        self._compute.texts.clear()

    async def adapt(self, tenant: str, digest: str, support: LabelledArrays, deadline: float) -> Answer[Adapted]:
        """Adapted params of one support set. `deadline` is in time.monotonic() seconds.

        Raises Overloaded, DeadlineExceeded, NotReady, or ComputationFailed.
        """
        num_outputs = None if support.values is None else support.values.shape[1]
        ask: Ask[Adapted] = Ask(digest, support, self._loop.create_future())
        has_several, is_large = support.hot is not None, ask.num_rows > MAX_FORECAST_ROWS
        return await self._answered(ask, tenant, (ask.kind, digest, num_outputs, has_several, is_large), deadline)

    async def encode(self, tenant: str, digest: str, rows: Array, deadline: float) -> Answer[Encoded]:
        """What the model makes of new rows [B *X], to adapt to later. Raises what `adapt` raises."""
        if not self._compute.keeps_features(digest):
            return Answer(Encoded(None), 0.0, 0.0)
        ask: Ask[Encoded] = Ask(digest, NewRows(rows), self._loop.create_future())
        return await self._answered(ask, tenant, (ask.kind, digest), deadline)

    async def predict(
        self, tenant: str, task_id: str, digest: str, inputs: Array, deadline: float, version: int | None = None
    ) -> Answer[ScoreArrays]:
        """Scores of inputs [Q *X] under the task's current version, or the one stated, which is read and not cached.

        Raises TaskNotFound, TaskMoved (it is on another digest now), VersionGone, and what `adapt` raises.
        """
        ask: Ask[ScoreArrays] = Ask(digest, Query((tenant, task_id), inputs, version), self._loop.create_future())
        return await self._answered(ask, tenant, ("predict", digest), deadline)

    async def predict_own(
        self, tenant: str, digest: str, name: str, inputs: Array, deadline: float
    ) -> Answer[ScoreArrays]:
        """Scores of inputs [Q *X] under a task of the model's own: always here, never read, never let go.

        Raises what `adapt` raises.
        """
        query = Query(("", name), inputs, 1, self._own[digest, name])
        ask: Ask[ScoreArrays] = Ask(digest, query, self._loop.create_future())
        return await self._answered(ask, tenant, ("predict", digest), deadline)

    async def try_out(self, key: Key, made: Fetched, inputs: Array, deadline: float) -> Answer[ScoreArrays]:
        """Scores of inputs [Q *X] under a version that is not stored yet. Raises what `adapt` raises."""
        query = Query(key, inputs, made.version, made)
        ask: Ask[ScoreArrays] = Ask(made.model_digest, query, self._loop.create_future())
        return await self._answered(ask, key[0], ("predict", made.model_digest), deadline)

    def _own_task(self, digest: str, name: str) -> CachedTask:
        checkpoint = self._compute.checkpoints[digest]
        params = {leaf: value.numpy() for leaf, value in checkpoint.tasks[name].items()}
        labels = checkpoint.card.tasks[name]["labels"]
        return CachedTask(1, digest, pack(params), checked_at=0.0, texts=texts_of(labels))

    async def _answered(
        self, ask: Ask[Result], tenant: str, group: tuple[object, ...], deadline: float
    ) -> Answer[Result]:
        if self._is_draining or not self.is_healthy:
            raise NotReady("The service is starting, stopping or broken.", retry_after_s=1)
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise _late()
        ask.tenant = tenant
        note(model=f"{self._compute.checkpoints[ask.digest].card.name}@{ask.digest[:12]}")
        pace = self._compute.paces[ask.digest, ask.kind]
        queue = self._queues[self._lane(ask, pace)]
        pads = ask.kind in ("readapt", "transfer") or not self._compute.encodes(ask.digest)
        if pads:  # the head does the work, on padded rows: batch like sizes only
            group = (*group, ask.num_rows.bit_length())
        job: Job[Ask[Any]] = Job(tenant, group, ask.num_rows, ask.num_rows * pace.ms_per_row, deadline, ask, pads)
        queue.scheduler.add(job)
        queue.has_changed.set()
        self._open.add(ask.future)
        timer = self._loop.call_later(left_s, self._expire, queue, job)
        try:
            return await ask.future
        finally:
            timer.cancel()
            self._open.discard(ask.future)
            ask.record()
            if ask.future.cancelled():  # the caller left; perhaps before the job's turn
                queue.scheduler.remove(job)

    def _expire(self, queue: _Queue, job: Job[Ask[Any]]) -> None:
        job.payload.settle(_late())
        queue.scheduler.remove(job)

    def _lane(self, ask: Ask[Any], pace: Pace) -> Lane:
        """Where an ask waits: what takes minutes must hold up neither what is short nor what takes a second."""
        if ask.kind == "predict":
            is_short = pace.ms(ask.num_rows) <= INTERACTIVE_SLICES * self._settings.slice_ms
            return "interactive" if is_short else "bulk"
        return "background" if self._compute.is_slow(ask.digest) else "bulk"

    async def _feed(self, lane: Lane) -> None:
        """Prepare this lane's batches one after another, each as soon as there is room."""
        queue = self._queues[lane]
        while True:
            await queue.has_changed.wait()
            queue.has_changed.clear()
            while (taken := await self._gathered(queue)) is not None:
                batch, jobs = taken
                asks = [job.payload for job in jobs if not job.payload.future.done()]
                asks = await self._found(asks)
                if asks and self._device.worker.is_alive:
                    self._device.worker.put(batch, run_batch(self._compute, asks, self._deliver, self._metrics))
                else:
                    queue.room.end(batch, _now_ms())

    async def _gathered(self, queue: _Queue) -> tuple[Batch, Sequence[Job[Ask[Any]]]] | None:
        """The next batch, if there is room; while it is quick to compute, with whoever asks in the loop's next turns.

        Each batch has a price of its own, and who was just answered asks again. Ends when a turn brings nobody; a lone
        request behind a lone request waits for none.
        """
        scheduler, cost, until = queue.scheduler, 0.0, _now_ms() + GATHERING_MS
        if queue.had_several or len(self._open) > 1:
            while cost < scheduler.waiting_cost < GATHERED_MS or (scheduler and self._is_settling):
                if _now_ms() > until:
                    break
                cost = scheduler.waiting_cost
                await asyncio.sleep(0)
        taken = queue.room.take(_now_ms())
        queue.had_several = queue.had_several if taken is None else len(taken[1]) > 1
        return taken

    async def _found(self, asks: Sequence[Ask[Any]]) -> list[Ask[Any]]:
        """Those that can be served now; a fault of ours must not end the feeder."""
        try:
            return await self._params.find(asks)
        except Exception:
            log.exception("a batch could not be prepared")
            for ask in asks:
                ask.settle(ComputationFailed("The request could not be prepared for the device."))
            return []

    def _deliver(self, outcomes: Sequence[Outcome]) -> None:
        """Called from a thread of the device when a batch, or a part of it, is done."""
        self._loop.call_soon_threadsafe(self._settle, outcomes)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """A few at a time: each wakes a request that has an answer to write, and new ones must be heard in between."""
        self._is_settling = len(outcomes) > MAX_SETTLED
        if self._is_settling:
            self._loop.call_soon(self._settle, outcomes[MAX_SETTLED:])
        for ask, answer in outcomes[:MAX_SETTLED]:
            if (
                isinstance(ask.work, Query)
                and ask.work.version is None
                and isinstance(ask.work.found, CachedTask)
                and ask.work.num_drops == self._cache.num_drops
            ):
                self._cache.put(ask.work.key, ask.work.found)
            ask.settle(answer)

    def _give_up(self) -> None:
        """Nothing that is open will be answered any more: say so at once."""
        for future in self._open:
            if not future.done():
                future.set_exception(NotReady("The service stopped before it could answer.", retry_after_s=1))

    def _lose(self, batches: Sequence[Batch]) -> None:
        """A thread of the device has ended and left these: answer all that is open."""
        self._give_up()
        for batch in batches:
            self._end(batch)

    def _begin(self, batch: Batch) -> None:
        if batch is not FIRST:
            queue, now = self._queues[batch.lane], _now_ms()
            queue.room.begin(batch, now)
            queue.has_changed.set()
            if queue.room.open_at > now:
                self._loop.call_later((queue.room.open_at - now) / 1000, queue.has_changed.set)

    def _end(self, batch: Batch) -> None:
        if batch is not FIRST:
            self._queues[batch.lane].room.end(batch, _now_ms())
            self._queues[batch.lane].has_changed.set()

    def _waiting(self, kind: Kind) -> list[Job[Ask[Any]]]:
        jobs = chain.from_iterable(queue.scheduler.waiting() for queue in self._queues.values())
        return [job for job in jobs if job.payload.kind == kind]

    def _num_waiting(self, kind: Kind) -> int:
        return len(self._waiting(kind))

    def _waiting_cost_s(self, kind: Kind) -> float:
        return sum(job.cost for job in self._waiting(kind)) / 1000

    def _show_queues(self) -> None:
        """Counted when somebody looks, and not at each request."""
        for kind in get_args(Kind):
            self._metrics.queue_length.labels(kind).set_function(partial(self._num_waiting, kind))
            self._metrics.queue_cost.labels(kind).set_function(partial(self._waiting_cost_s, kind))


def _now_ms() -> float:
    return 1000 * monotonic()


def _late() -> DeadlineExceeded:
    return DeadlineExceeded("The request waited longer than it may.", retry_after_s=1)
