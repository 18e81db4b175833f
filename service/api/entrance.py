"""Those who were let in begin a few a turn of the event loop, so that whoever comes meanwhile is heard in between."""

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Final

MAX_BEGUN: Final = 8  # each takes some .2 ms to read, decode and ask; turns are for refusals, answers and the device


class Entrance:
    """Of all connections of a process."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._num_begun = 0  # in this turn
        self._has_next_turn = False

    def begin(self, request: Callable[[], None], loop: AbstractEventLoop) -> None:
        """Begin it now, or in one of the next turns: in the order in which they come."""
        if not self._has_next_turn:
            self._has_next_turn = True
            loop.call_soon(self._turn, loop, context=Context())  # or turns would go on in this request's
        if self._waiting or self._num_begun >= MAX_BEGUN:
            self._waiting.append(request)
        else:
            self._num_begun += 1
            request()

    def _turn(self, loop: AbstractEventLoop) -> None:
        self._num_begun = min(MAX_BEGUN, len(self._waiting))
        self._has_next_turn = self._num_begun > 0
        if self._has_next_turn:
            loop.call_soon(self._turn, loop, context=Context())
        for _ in range(self._num_begun):
            self._waiting.popleft()()
