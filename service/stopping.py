"""How a process ends that was told to: not ready first, then it takes no more, then it gives up what is not done."""

import asyncio
from collections.abc import Callable
from time import monotonic

LOOK_EVERY_S = 0.1


class Stopping:
    """The moments of an end, in time.monotonic() seconds; none is set before the process is told."""

    def __init__(self) -> None:
        self.closes_at: float | None = None  # until then it goes on taking requests, so that proxies can notice
        self.gives_up_at: float | None = None  # by then what is still open gets an answer that says so

    @property
    def has_begun(self) -> bool:
        """Whether the process was told to stop."""
        return self.closes_at is not None

    def begin(self, *, unready_s: float, drain_s: float) -> None:
        """Stop; told again, the earlier moments are kept."""
        closes_at = monotonic() + unready_s
        if self.closes_at is None or closes_at < self.closes_at:
            self.closes_at, self.gives_up_at = closes_at, closes_at + drain_s

    async def until_closed(self) -> None:
        """Return when no more requests are to be taken."""
        await _until(lambda: self.closes_at)

    async def until_given_up(self) -> None:
        """Return when what is still open is to be given up."""
        await _until(lambda: self.gives_up_at)


async def _until(moment: Callable[[], float | None]) -> None:
    while (at := moment()) is None or monotonic() < at:  # noqa: ASYNC110 - set by a signal, which cannot wake a loop
        await asyncio.sleep(LOOK_EVERY_S)
