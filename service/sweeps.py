"""Work that each process repeats while it serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from service.errors import KshotError

log = logging.getLogger(__name__)


@asynccontextmanager
async def repeating(
    work: Callable[[], Awaitable[object]], *, every_s: float, name: str, at_end: bool = False
) -> AsyncIterator[None]:
    """Do the work every so often inside the block, where asked once more at its end; a failure is logged, no more.

    Work at the end must be short: the process waits for it.
    """
    task = asyncio.create_task(_repeat(work, every_s, name), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if at_end:
            await _attempt(work, name)


async def _repeat(work: Callable[[], Awaitable[object]], every_s: float, name: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        await _attempt(work, name)


async def _attempt(work: Callable[[], Awaitable[object]], name: str) -> None:
    try:
        await work()
    except KshotError as error:  # an outage that the requests tell of as well
        log.warning("%s failed: %s", name, error)
    except Exception:
        log.exception("%s failed", name)
