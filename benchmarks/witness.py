"""What a core keeps from whoever wants it: a process that wakes each millisecond, and notes how late."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

STEP_S = 0.001


class Witness:
    """Of one core, from when it was started."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def gaps_s(self) -> npt.NDArray[np.float64]:
        """How much later than it wanted it woke, each time since this was last asked."""
        self._pipe.send(None)
        return np.array(self._pipe.recv())


@contextmanager
def watching(core: int) -> Iterator[Witness]:
    """A witness of this core, until the end."""
    spawn = multiprocessing.get_context("spawn")
    own, other = spawn.Pipe()
    process = spawn.Process(target=_wake, args=(core, other), daemon=True)
    process.start()
    try:
        yield Witness(own)
    finally:
        process.terminate()
        process.join()


def _wake(core: int, pipe: Connection) -> None:
    os.sched_setaffinity(0, {core})
    gaps: list[float] = []
    before = time.perf_counter()
    while True:
        time.sleep(STEP_S)
        now = time.perf_counter()
        gaps.append(now - before - STEP_S)
        before = now
        if pipe.poll():
            pipe.recv()
            pipe.send(gaps)
            gaps = []


def wait_ms(gaps_s: npt.NDArray[np.float64], level: float) -> float:
    """How long this part of those who come at any moment wait at most before the core is theirs at all."""
    total_s = gaps_s.sum() + STEP_S * len(gaps_s)
    longest = np.sort(gaps_s)[::-1]
    for wait_s in np.arange(0.0, longest[0] + STEP_S, STEP_S):  # who comes in a gap waits for what is left of it
        if np.clip(longest - wait_s, 0, None).sum() <= (1 - level) * total_s:
            return float(1000 * wait_s)
    return float(1000 * longest[0])
