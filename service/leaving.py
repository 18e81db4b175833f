"""Waiting for so long and no longer, for work that cannot be stopped at once: it is left to end by itself."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

A_MOMENT_S = 0.5  # for steps that have something to close
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


@asynccontextmanager
async def ending_within(seconds: float, block: AbstractAsyncContextManager[Result]) -> AsyncIterator[Result]:
    """The block, whose end gets so many seconds; after that each step of it is cancelled that does not end at once."""
    entered = await block.__aenter__()
    try:
        yield entered
    finally:
        end = asyncio.ensure_future(block.__aexit__(None, None, None))
        done, _ = await asyncio.wait([end], timeout=seconds)
        while not done:
            end.cancel()
            done, _ = await asyncio.wait([end], timeout=A_MOMENT_S)
        if not end.cancelled():
            end.result()


def _over(task: "asyncio.Task[Any]") -> None:
    LEFT.discard(task)
    if not task.cancelled():
        task.exception()  # told to who waited, or of no interest to anybody any more
