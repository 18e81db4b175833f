"""Work in a few threads: so much at once, and tenants have their turns in a circle, however much each of them wants."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeVar

from service.errors import DeadlineExceeded

Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class _Turn:
    work: Callable[[], Any]
    weight: int
    done: "asyncio.Future[Any]"


class Turns:
    """Threads that take the first turn of each tenant, one tenant after the other.

    The weights of what is under way never add up to more than `max_weight`; a turn that is heavier goes alone, and
    whoever comes behind it waits with it until there is room.
    """

    def __init__(self, num_threads: int, max_weight: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self._num_free = num_threads
        self._max_weight = max_weight
        self._weight = 0
        self._is_closed = False
        self._waiting: OrderedDict[str, deque[_Turn]] = OrderedDict()

    def close(self) -> None:
        """End the threads; nobody waits for a turn any more."""
        self._is_closed = True
        for turn in [turn for turns in self._waiting.values() for turn in turns]:
            turn.done.cancel()
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)  # a turn is short, and the loop must not wait for it

    async def do(
        self, tenant: str, work: Callable[[], Result], *, weight: int = 0, deadline: float | None = None
    ) -> Result:
        """Do the work when the tenant has its turn. Raises DeadlineExceeded if it has none in time."""
        turn = _Turn(work, weight, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._go_on()
        try:
            async with asyncio.timeout(None if deadline is None else deadline - monotonic()):
                return await turn.done  # type: ignore[no-any-return]  # what the work returns
        except TimeoutError:
            raise DeadlineExceeded("The inputs waited too long for their turn.", retry_after_s=1) from None
        finally:
            self._leave(tenant, turn)

    def _go_on(self) -> None:
        """Begin turns while there is room. What is too heavy just now is waited for, or it would wait for ever."""
        while self._num_free and self._waiting and not self._is_closed:
            tenant, turns = next(iter(self._waiting.items()))
            if self._weight and self._weight + turns[0].weight > self._max_weight:
                return
            turn = turns.popleft()
            self._waiting.move_to_end(tenant)
            if not turns:
                del self._waiting[tenant]
            self._begin(turn)

    def _begin(self, turn: _Turn) -> None:
        self._num_free -= 1
        self._weight += turn.weight

        def end(work: "asyncio.Future[Any]") -> None:
            self._num_free += 1
            self._weight -= turn.weight
            _hand_on(work, turn.done)
            self._go_on()

        asyncio.get_running_loop().run_in_executor(self._pool, turn.work).add_done_callback(end)

    def _leave(self, tenant: str, turn: _Turn) -> None:
        """Nobody waits for it any more; what has begun is finished."""
        turns = self._waiting.get(tenant)
        if turns is None or turn not in turns:
            return
        turns.remove(turn)
        if not turns:
            del self._waiting[tenant]
        self._go_on()  # it may have been what the others waited for


def _hand_on(work: "asyncio.Future[Any]", done: "asyncio.Future[Any]") -> None:
    """The outcome of one future to another, which may have been given up."""
    error = None if work.cancelled() else work.exception()
    if done.done():
        return
    if work.cancelled():
        done.cancel()
    elif error is not None:
        done.set_exception(error)
    else:
        done.set_result(work.result())
