"""Work that repeats: through failures, and where asked once more at the end."""

import asyncio
import logging

import pytest

from service.errors import DatabaseUnavailable
from service.sweeps import repeating


async def test_failures_are_logged_and_the_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    failures = [DatabaseUnavailable("away"), ZeroDivisionError()]
    enough, done = asyncio.Event(), 0

    async def work() -> None:
        nonlocal done
        done += 1
        if failures:
            raise failures.pop(0)
        enough.set()

    with caplog.at_level(logging.WARNING):
        async with repeating(work, every_s=0.001, name="sweeping", at_end=True):
            await asyncio.wait_for(enough.wait(), 10)
            before = done
    assert done >= before + 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert all("sweeping failed" in record.message for record in caplog.records)


async def test_an_end_waits_for_no_more_work() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()  # as a sweep over all tasks of a large database

    async with asyncio.timeout(60), repeating(work, every_s=0.001, name="sweeping"):
        await begun.wait()
