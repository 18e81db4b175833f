"""The thread that owns the device: interactive batches whole, others a slice at a time between them."""

import threading
from collections.abc import Callable, Generator, Mapping
from itertools import count
from time import perf_counter
from typing import Literal, TypeAlias

import torch

Lane: TypeAlias = Literal["interactive", "bulk", "background"]
Work: TypeAlias = Generator[None, None, None]  # delivers its own results; a yield is a chance to pause


BACKGROUND_EVERY = 4  # turns in which there is other work to do, of which background work gets one


class Worker:
    """Takes prepared work out of slots of one, so that the next batch is made ready while this one runs.

    After each interactive batch the bulk batch under way gets one slice, and what takes minutes gets one now and then,
    or whatever nobody else wants: none waits for ever.
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
        under_way: dict[Lane, Work] = {}
        for turn in count():
            started = self._take(under_way)
            interactive = started.pop("interactive", None)
            under_way |= started
            if interactive is None and not under_way:
                return
            for _ in interactive or ():
                pass
            is_busy = interactive is not None or "bulk" in under_way
            for lane in [lane for lane in under_way if lane == "bulk" or not is_busy or turn % BACKGROUND_EVERY == 0]:
                if not self._advance(under_way[lane]):
                    del under_way[lane]

    def _take(self, under_way: Mapping[Lane, Work]) -> dict[Lane, Work]:
        """What the slots hold of free lanes, waiting for it unless work is under way; nothing when stopping."""
        with self._changed:
            self._changed.wait_for(lambda: self._slots or under_way or self._is_stopping)
            taken = {lane: self._slots.pop(lane) for lane in tuple(self._slots) if lane not in under_way}
        for lane in taken:
            self._on_free(lane)
        return taken

    def _advance(self, work: Work) -> bool:
        """Run one slice of time; False when the work is done."""
        stop_at = perf_counter() + self._slice_s
        return any(perf_counter() >= stop_at for _ in work)
