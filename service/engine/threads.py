"""Work side by side: a thread a piece. Torch's own threads wait for each other in every operation of every piece."""

import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, wait
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

import torch

Result = TypeVar("Result")
Calls: TypeAlias = "SimpleQueue[Callable[[], None] | None]"

MOST = 4  # pieces at once: each takes memory of its own


def of_torch(num_threads: int) -> int:
    """How many of torch's own compute a piece, a lone one too: for operations of microseconds they wait in vain."""
    return max(1, num_threads // MOST)


class Threads:
    """A few pieces at once, the thread that asks does one of them; in a pause none goes on.

    So many threads, and no more, compute at any time for one that asks, who has of torch's what `of_torch` says, as
    each piece has. Whoever asks has others of its own, which have its priority and end with it. A process that ends
    does not wait for them, as an executor's would make it: an operation may never return.
    """

    def __init__(self, num_threads: int) -> None:
        self._each, self._num = of_torch(num_threads), min(num_threads, MOST)
        self._own = threading.local()

    def abreast(self, works: Sequence[Generator[None, None, Result]]) -> Generator[None, None, list[Result]]:
        """What each comes to; they go on side by side, from pause to pause, and the next as soon as one has ended."""
        made: dict[int, Result] = {}
        waiting, running = iter(enumerate(works)), list[tuple[int, Generator[None, None, Result]]]()
        while running := [*running, *islice(waiting, self._num - len(running))]:
            ends = self._side_by_side([partial(_advanced, work) for _, work in running])
            ended = {place: end[0] for (place, _), end in zip(running, ends, strict=True) if end}
            made |= ended
            running = [each for each in running if each[0] not in ended]
            if running:
                yield
        return [made[place] for place in range(len(works))]

    def _side_by_side(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each returns; raises what one of them raises, when all have ended."""
        if len(calls) == 1:
            return [calls[0]()]
        mode = torch.is_inference_mode_enabled()
        others = [self._submitted(partial(_as_here, call, mode, self._each)) for call in calls[1:]]
        try:
            own = calls[0]()
        finally:
            wait(others)
        return [own, *(each.result() for each in others)]

    def _submitted(self, call: Callable[[], Result]) -> Future[Result]:
        """What will have been returned or raised by another thread."""
        others: _Others | None = getattr(self._own, "others", None)
        if others is None:
            others = self._own.others = _Others(self._num - 1)
        future = Future[Result]()
        others.calls.put(partial(_keep, future, call))
        return future


class _Others:
    """The threads that help one thread; they end when it has, or when nobody can ask for them any more."""

    def __init__(self, num: int) -> None:
        self.calls: Calls = SimpleQueue()
        for _ in range(num):
            threading.Thread(target=_serve, args=(self.calls,), name="kshot-beside", daemon=True).start()
            weakref.finalize(self, self.calls.put, None)


def _serve(calls: Calls) -> None:
    """One after another, until told that there will be no more."""
    while (call := calls.get()) is not None:
        call()
        del call  # and what it made, which is not kept until the next


def _keep(future: Future[Result], call: Callable[[], Result]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # raised where it is asked for
        future.set_exception(error)


def _advanced(work: Generator[None, None, Result]) -> tuple[Result] | None:
    """The result, if the work has come to its end and not to a pause."""
    try:
        next(work)
    except StopIteration as done:
        result: Result = done.value
        return (result,)
    return None


def _as_here(call: Callable[[], Result], is_inference: bool, num_threads: int) -> Result:
    """Torch's mode is each thread's own, and how many others help it."""
    torch.set_num_threads(num_threads)
    with torch.inference_mode(is_inference):
        return call()
