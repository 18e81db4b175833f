"""An end that is bounded, however many of its steps wait for what never comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from service.leaving import ending_within


@asynccontextmanager
async def held_up(ended: list[int], number: int, end: asyncio.Event) -> AsyncIterator[None]:
    """A step whose end waits for the event."""
    try:
        yield
    finally:
        try:
            await end.wait()
        finally:
            ended.append(number)


async def end_of(seconds: float, end: asyncio.Event) -> list[int]:
    """Which steps ended, in their order."""
    ended: list[int] = []
    async with asyncio.timeout(60), ending_within(seconds, AsyncExitStack()) as stack:
        for number in range(3):
            await stack.enter_async_context(held_up(ended, number, end))
    return ended


async def test_every_step_is_cut_when_the_time_is_over() -> None:
    assert await end_of(0.01, asyncio.Event()) == [2, 1, 0]


async def test_an_end_in_time_is_left_alone() -> None:
    end = asyncio.Event()
    end.set()
    assert await end_of(60, end) == [2, 1, 0]
