"""Waiting for so long and no longer; work that cannot be stopped at once is left to end by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import coroutine
from typing import Any, Final, TypeVar, cast

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


async def limited(seconds: float, work: Awaitable[Result]) -> Result:
    """What the work gives or raises; TimeoutError, and its end, so many seconds after it first has to wait.

    What is asked of a connection is mostly done at once: a timer would cost more than it does.
    """
    steps = work.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as done:
        return cast(Result, done.value)
    async with asyncio.timeout(seconds):
        return await _rest(steps, waits_for)


@coroutine
def _rest(steps: Generator[Any, Any, Result], waits_for: Any) -> Generator[Any, Any, Result]:
    """The same work, begun already: `waits_for` is what it waits for."""
    try:
        while True:
            try:
                given = yield waits_for
            except BaseException as error:
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(given)
    except StopIteration as done:
        return cast(Result, done.value)


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
