"""Waiting for so long and no longer, for work that cannot be stopped at once: it is left to end by itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

LEFT: Final[set["asyncio.Task[Any]"]] = set()  # the event loop would forget what nobody holds


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work gives or raises; TimeoutError if that takes longer, and then the work goes on alone."""
    task = asyncio.create_task(work)
    LEFT.add(task)
    task.add_done_callback(_over)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done:
        raise TimeoutError
    return task.result()


def _over(task: "asyncio.Task[Any]") -> None:
    LEFT.discard(task)
    if not task.cancelled():
        task.exception()  # told to who waited, or of no interest to anybody any more
