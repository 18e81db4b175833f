"""Waiting that is bounded: for an end, however many of its steps wait for what never comes, and for an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from service.timeouts import ending_within, limited


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


async def test_what_is_done_at_once_or_in_time_is_given() -> None:
    async def work(num_turns: int) -> int:
        for _ in range(num_turns):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001 * num_turns)
        return num_turns

    assert [await limited(60, work(num_turns)) for num_turns in (0, 1, 3)] == [0, 1, 3]
    assert await limited(60, asyncio.create_task(work(2))) == 2


async def test_what_takes_too_long_is_ended_and_its_faults_are_told() -> None:
    ended = []

    async def endless(num_turns: int) -> None:
        try:
            for _ in range(num_turns):
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            ended.append(num_turns)

    async def wrong(num_turns: int) -> None:
        for _ in range(num_turns):
            await asyncio.sleep(0)
        raise KeyError(num_turns)

    for num_turns in (0, 1, 3):
        with pytest.raises(TimeoutError):
            await limited(0.01, endless(num_turns))
        with pytest.raises(KeyError):
            await limited(60, wrong(num_turns))
    left = asyncio.create_task(limited(60, endless(7)))
    await asyncio.sleep(0.01)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert ended == [0, 1, 3, 7]
