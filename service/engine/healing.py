"""The device's threads, and others in their place when one ends without having been told to."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from service.engine.turns import Batch
from service.engine.worker import Work, Worker
from service.metrics import Metrics

FIRST: Final = Batch("bulk", {"": 1.0})  # what a thread does before it takes any other work
FIRST_PAUSE_S, MAX_PAUSE_S = 1.0, 30.0  # between tries to get the device to work again

log = logging.getLogger(__name__)


class Healing:
    """One worker after another; the present one is dead until the device has proved that the next one can work."""

    def __init__(
        self,
        make: Callable[[Callable[[], object]], Worker],  # of what the thread calls when it ends
        proof: Callable[[], Work],
        on_end: Callable[[Sequence[Batch]], None],
        metrics: Metrics,
    ) -> None:
        self._make = make
        self._proof = proof
        self._on_end = on_end  # called on the event loop, with what a thread had and did not finish
        self._metrics = metrics
        self._heals = False
        self._healing: asyncio.Task[None] | None = None
        self.worker = self._tried = self._new_worker()

    async def start(self, work: Work) -> None:
        """Start the first thread; it is this work that must succeed."""
        self._loop = asyncio.get_running_loop()
        await self._started(self.worker, work)
        self._heals = True

    async def stop(self, timeout_s: float) -> None:
        """Let the thread finish what it has, for so long, one that is only tried too, and start no other."""
        self._heals = False
        if self._healing is not None:
            self._healing.cancel()
        await asyncio.gather(*(asyncio.to_thread(each.stop, timeout_s) for each in {self.worker, self._tried}))

    def _new_worker(self) -> Worker:
        worker: Worker = self._make(lambda: self._loop.call_soon_threadsafe(self._ended, worker))
        return worker

    def _ended(self, worker: Worker) -> None:
        self._on_end(worker.left())
        if self._heals and worker is self.worker:
            self._healing = self._loop.create_task(self._heal(), name="starting the device's thread anew")

    async def _heal(self) -> None:
        """Again and again, until the device proves that it works."""
        pause_s = FIRST_PAUSE_S
        while True:
            worker = self._tried = self._new_worker()
            try:
                await self._started(worker, self._proof())
            except Exception:
                log.exception("the device does not work; tried again in %g s", pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            else:
                self.worker = worker
                self._metrics.worker_restarts.inc()
                log.warning("the device's thread was started anew")
                return

    async def _started(self, worker: Worker, work: Work) -> None:
        """Start a thread; returns when it has done this work. Raises what that raises, which also ends the thread."""
        done: asyncio.Future[None] = self._loop.create_future()
        worker.start()
        worker.put(FIRST, self._telling(done, work))
        await done

    def _telling(self, done: "asyncio.Future[None]", work: Work) -> Work:
        try:
            yield from work
        except BaseException as error:
            failed = RuntimeError(f"the device failed: {error}")
            failed.__cause__ = error
            self._loop.call_soon_threadsafe(_tell, done, failed)
            raise
        self._loop.call_soon_threadsafe(_tell, done, None)


def _tell(done: "asyncio.Future[None]", error: Exception | None) -> None:
    """To whoever waits for it still; a process that ends does not."""
    if not done.done():
        done.set_result(None) if error is None else done.set_exception(error)
