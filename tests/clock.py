"""CPU time, told in what the machine takes for plain work just then: one that is slow or busy takes longer for both."""

import time
from collections.abc import Callable
from math import inf

PLAIN = 16_000  # rounds of plain work, about a millisecond of a quick core


def plain_ms(work: Callable[[], object], tries: int = 3) -> float:
    """What the quickest of so many tries takes of this thread's time, in milliseconds of a quick core."""
    taken = plain = inf
    for _ in range(tries):
        taken, plain = min(taken, _seconds(work)), min(plain, _seconds(_plainly))
    return taken / plain


def _plainly() -> int:
    total = 0
    for number in range(PLAIN):
        total += number & 7
    return total


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
