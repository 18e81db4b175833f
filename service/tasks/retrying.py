"""What is done again because another write came between: so many times, then it is a conflict."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.errors import Conflict

MAX_TRIES = 8  # with two replicas all are lost once in 256 times

Result = TypeVar("Result")


class Lost(Exception):
    """Another write came first."""


async def until_kept(attempt: Callable[[], Awaitable[Result]], on_lost: Callable[[], object] = lambda: None) -> Result:
    """What the first attempt gives that is not Lost. Raises Conflict after `MAX_TRIES`, and what `attempt` raises."""
    for _ in range(MAX_TRIES):
        try:
            return await attempt()
        except Lost:
            on_lost()
    raise Conflict("Others keep writing to this task; try again.", retry_after_s=1)
