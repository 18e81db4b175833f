"""Whether the database is away: while it is, nobody waits to hear so, and questions now and then find out when not."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from time import monotonic
from typing import Any

from service.errors import DatabaseUnavailable
from service.storage.failures import is_full, reason, unavailable
from service.timeouts import within

log = logging.getLogger(__name__)

SUSPECT_AFTER_S = 1.0  # without an answer
ANSWER_S = 3.0  # for a question: a database that takes two for each answer is slow, and not away
LATE_S = 0.2  # a timer that rings so much later than it was to: this process stood still, and knows nothing
PAUSE_S = 0.5  # before the next question
QUIET_S = 1.0  # without a failure, before the next one is worth a line in the log


class Circuit:
    """Opens when a question to the database fails after something else has; closes when one is answered."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None
        self.is_open = False
        self.failed_at = -float("inf")  # in time.monotonic() seconds: when last something came to nothing
        self.answered_at = -float("inf")  # and when last something came back

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Round what is asked of the database: refused while that is away; a sign of it if it fails or takes long."""
        if self.is_open:
            raise unavailable()
        # in no request's context: whether the database is away is told of none of them
        timer = asyncio.get_running_loop().call_later(SUSPECT_AFTER_S, self._suspect, context=Context())
        try:
            yield
            self.answered_at = monotonic()
        except DatabaseUnavailable as error:
            if monotonic() - self.failed_at > QUIET_S:
                log.warning("the database failed: %s", reason(error))
            self.failed_at = monotonic()
            self._suspect()
            raise
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _suspect(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._until_answered(), name="asking the database", context=Context())

    async def _until_answered(self) -> None:
        while not await self._is_answered():
            self.failed_at = monotonic()
            if not self.is_open:
                log.warning("the database is away")
            self.is_open = True
            await asyncio.sleep(PAUSE_S)
        if self.is_open:
            log.warning("the database is back")
        self.is_open = False

    async def _is_answered(self) -> bool:
        asked_at = monotonic()
        try:
            await within(ANSWER_S, self._ask())
        except DatabaseUnavailable as error:
            return is_full(error)
        except TimeoutError:
            stood_still = monotonic() - asked_at > ANSWER_S + LATE_S
            return stood_still and await self._is_answered()
        except Exception:
            log.exception("the database cannot be asked")
            return False
        return True
