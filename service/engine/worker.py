"""The thread that owns the device: every batch a slice at a time, by turns."""

import threading
from collections.abc import Callable, Generator
from time import perf_counter
from typing import TypeAlias

import torch

from service.engine.turns import Batch, Turns

Work: TypeAlias = Generator[None, None, None]  # delivers its own results; a yield is a chance to pause


class Worker:
    """Takes prepared batches, so that the next one is made ready while others run, and gives them slices by turns."""

    def __init__(
        self,
        *,
        num_threads: int,
        slice_ms: float,
        on_begin: Callable[[Batch], object],
        on_over: Callable[[Batch], object],
        on_end: Callable[[], object],
    ) -> None:
        self._num_threads = num_threads
        self._slice_s = slice_ms / 1000
        self._on_begin = on_begin  # called from the thread, before the first slice of a batch
        self._on_over = on_over  # called from the thread, after its last
        self._on_end = on_end  # called from the thread when it ends, by `stop` or by a device that is broken
        self._turns = Turns()
        self._works: dict[Batch, Work] = {}
        self._changed = threading.Condition()
        self._is_stopping = False
        self._slice_began: float | None = None
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="kshot-device", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Finish what was put, then end the thread; returns when it has ended, or will not in time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """False before the start, after the stop, and if the thread died."""
        return self._thread.is_alive() and not self._has_ended

    @property
    def slice_s(self) -> float:
        """For how long the slice has run that is running."""
        began = self._slice_began
        return 0.0 if began is None else perf_counter() - began

    def left(self) -> list[Batch]:
        """What was put and not finished."""
        return list(self._works)

    def put(self, batch: Batch, work: Work) -> None:
        """Hand over a batch with its work."""
        with self._changed:
            self._works[batch] = work
            self._turns.add(batch)
            self._changed.notify()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._has_ended = True
            self._on_end()

    @torch.inference_mode()
    def _work(self) -> None:
        torch.set_num_threads(self._num_threads)
        while (batch := self._next()) is not None:
            self._slice_began = began = perf_counter()
            is_over = not advance(self._works[batch], self._slice_s, may_overrun=batch.lane == "interactive")
            self._slice_began = None
            ms = 1000 * (perf_counter() - began)
            with self._changed:
                self._turns.charge(batch, ms)
                if is_over:
                    self._turns.remove(batch)
                    del self._works[batch]
            if is_over:
                self._on_over(batch)

    def _next(self) -> Batch | None:
        """Whose slice is next, waiting until there is one; nothing when stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._turns or self._is_stopping)
            if not self._turns:
                return None
            batch, is_first = self._turns.next()
        if is_first:
            self._on_begin(batch)
        return batch


def advance(work: Work, slice_s: float, *, may_overrun: bool, clock: Callable[[], float] = perf_counter) -> bool:
    """Run a slice of time; False when the work is done.

    Unless it `may_overrun`, it makes no step more that would end behind the slice if it is as long as the last: whoever
    is next waits for a slice or for one step, and not for both.
    """
    began = ended = clock()
    for _ in work:
        step_began, ended = ended, clock()
        if ended + (0 if may_overrun else ended - step_began) >= began + slice_s:
            return True
    return False
