"""The thread that owns the device: interactive batches whole, bulk batches a slice at a time between them."""

import threading
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Literal, TypeAlias

import torch

Lane: TypeAlias = Literal["interactive", "bulk"]
Work: TypeAlias = Generator[None, None, None]  # delivers its own results; a yield is a chance to pause


class Worker:
    """Takes prepared work out of two slots of one, so that the next batch is made ready while this one runs.

    After each interactive batch the bulk batch under way gets one slice: neither waits for ever.
    """

    def __init__(
        self, *, num_threads: int, slice_ms: float, on_free: Callable[[Lane], None], on_end: Callable[[], object]
    ) -> None:
        self._num_threads = num_threads
        self._slice_s = slice_ms / 1000
        self._on_free = on_free  # called from the thread, each time a slot becomes free
        self._on_end = on_end  # called from the thread when it ends, by `stop` or by a device that is broken
        self._slots: dict[Lane, Work] = {}
        self._changed = threading.Condition()
        self._is_stopping = False
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="kshot-device", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in the slots, then end the thread; returns when it has ended."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """False before the start, after the stop, and if the thread died."""
        return self._thread.is_alive() and not self._has_ended

    def put(self, lane: Lane, work: Work) -> None:
        """Hand over work; the lane's slot must be free."""
        with self._changed:
            assert lane not in self._slots, f"the {lane} slot is taken"
            self._slots[lane] = work
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
        bulk: Work | None = None
        while True:
            interactive, started = self._take(is_busy=bulk is not None)
            bulk = bulk or started
            if interactive is None and bulk is None:
                return
            for _ in interactive or ():
                pass
            if bulk is not None and not self._advance(bulk):
                bulk = None

    def _take(self, *, is_busy: bool) -> tuple[Work | None, Work | None]:
        """What the slots hold, waiting for it unless there is bulk work under way; nothing when stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots or is_busy or self._is_stopping)
            interactive = self._slots.pop("interactive", None)
            bulk = None if is_busy else self._slots.pop("bulk", None)
        if interactive is not None:
            self._on_free("interactive")
        if bulk is not None:
            self._on_free("bulk")
        return interactive, bulk

    def _advance(self, work: Work) -> bool:
        """Run one slice of time; False when the work is done."""
        stop_at = perf_counter() + self._slice_s
        return any(perf_counter() >= stop_at for _ in work)
