"""The threads that own the device: every batch a slice at a time, by turns."""

import os
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, TypeAlias

import torch

from service.engine.turns import Batch, Lane, Turns

Work: TypeAlias = Generator[None, None, None]  # delivers its own results; a yield is a chance to pause

ALL: Final[Sequence[Lane]] = ("interactive", "bulk", "background")
APART: Final[Sequence[Sequence[Lane]]] = (("interactive",), ("bulk", "background"))
NICENESS: Final = 5  # of what nobody waits a moment for: beside predictions without an end it gets a tenth of a core


@dataclass(eq=False)
class _Hand:
    """One of the threads: its lanes, what it waits for, whose slice is next, and since when one runs."""

    lanes: Sequence[Lane]
    has_changed: threading.Condition
    turns: Turns = field(default_factory=Turns)
    slice_began: float | None = None


class Worker:
    """Takes prepared batches, so that the next one is made ready while others run, and gives them slices by turns.

    `apart` has the lanes of each thread. On a CPU predictions have one of their own, before which that of the others
    steps back wherever it is: no slice of an adaptation need end first. A GPU has one queue, and one thread.
    """

    def __init__(
        self,
        *,
        apart: Sequence[Sequence[Lane]] = (ALL,),
        num_threads: int,
        slice_ms: float,
        on_begin: Callable[[Batch], object],
        on_over: Callable[[Batch], object],
        on_end: Callable[[], object],
    ) -> None:
        self._num_threads = num_threads
        self._slice_s = slice_ms / 1000
        self._on_begin = on_begin  # called from a thread, before the first slice of a batch; must not wait
        self._on_over = on_over  # called from a thread, after its last; must not wait
        self._on_end = on_end  # called once, from the last thread that ends by `stop`, or the first that is broken
        self._works: dict[Batch, Work] = {}
        self._lock = threading.Lock()
        self._is_stopping = False
        self._is_broken = False
        self._hands = [_Hand(lanes, threading.Condition(self._lock)) for lanes in apart]
        self._threads = [threading.Thread(target=self._run, args=[hand], daemon=True) for hand in self._hands]
        for hand, thread in zip(self._hands, self._threads, strict=True):
            thread.name = f"kshot-device {hand.lanes[0]}"
        self._num_running = len(self._threads)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Finish what was put, then end the threads; returns when they have ended, or will not in time."""
        self._tell_to_end()
        until = None if timeout_s is None else perf_counter() + timeout_s
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - perf_counter()))

    @property
    def is_alive(self) -> bool:
        """False before the start, after the stop, and if a thread died."""
        return not self._is_broken and self._num_running > 0 and all(thread.is_alive() for thread in self._threads)

    @property
    def slice_s(self) -> float:
        """For how long the longest slice has run that is running."""
        began = [hand.slice_began for hand in self._hands]
        return max((perf_counter() - each for each in began if each is not None), default=0.0)

    def left(self) -> list[Batch]:
        """What was put and not finished."""
        return list(self._works)

    def put(self, batch: Batch, work: Work) -> None:
        """Hand over a batch with its work."""
        hand = next(each for each in self._hands if batch.lane in each.lanes)
        with hand.has_changed:
            self._works[batch] = work
            hand.turns.add(batch)
            hand.has_changed.notify()

    def _run(self, hand: _Hand) -> None:
        try:
            if "interactive" not in hand.lanes:
                step_back()
            self._work(hand)
        except BaseException:
            self._break()
            raise
        self._leave()

    def _break(self) -> None:
        """What this thread met the device has, and the others end with it."""
        with self._lock:
            is_first, self._is_broken = not self._is_broken, True
        self._tell_to_end()
        if is_first:
            self._on_end()

    def _tell_to_end(self) -> None:
        with self._lock:
            self._is_stopping = True
            for hand in self._hands:
                hand.has_changed.notify()

    def _leave(self) -> None:
        with self._lock:
            self._num_running -= 1
            is_last = self._num_running == 0 and not self._is_broken
        if is_last:
            self._on_end()

    @torch.inference_mode()
    def _work(self, hand: _Hand) -> None:
        torch.set_num_threads(self._num_threads)
        while (batch := self._next(hand)) is not None:
            hand.slice_began = began = perf_counter()
            is_over = not advance(self._works[batch], self._slice_s, may_overrun=batch.lane == "interactive")
            hand.slice_began = None
            ms = 1000 * (perf_counter() - began)
            with self._lock:
                hand.turns.charge(batch, ms)
                if is_over and not self._is_broken:  # then it is told as left
                    hand.turns.remove(batch)
                    del self._works[batch]
                    self._on_over(batch)

    def _next(self, hand: _Hand) -> Batch | None:
        """Whose slice is next, waiting until there is one; nothing when stopping."""
        with hand.has_changed:
            hand.has_changed.wait_for(lambda: hand.turns or self._is_stopping)
            if self._is_broken or not hand.turns:
                return None
            batch, is_first = hand.turns.next()
            if is_first:
                self._on_begin(batch)
            return batch


def step_back() -> None:
    """Let others go before this thread and those that it starts, on Linux, where threads have their own priorities."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


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
