"""Requests while the process ends: answers close their connections, and who would be cut off is told so before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer
from service.errors import DeadlineExceeded
from service.stopping import Stopping

LATE = "The service stopped before it could answer; what was asked may have been done."


class Open:
    """The requests that are being served, and those of them that were given up."""

    def __init__(self, stopping: Stopping) -> None:
        self.stopping = stopping
        self.tasks: set[asyncio.Task[object]] = set()
        self.given_up: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Give up inside the block what is open when its time has come."""
        watching = asyncio.create_task(self._give_up(), name="giving up")
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _give_up(self) -> None:
        await self.stopping.until_given_up()
        self.given_up |= self.tasks
        for task in self.tasks:
            task.cancel()


class Draining:
    """ASGI middleware inside that which logs."""

    def __init__(self, app: ASGIApp, *, requests: Open) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say that there is no time left."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        requests, stopping, task, is_begun = self._requests, self._requests.stopping, _current_task(), False

        async def send_last(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                if stopping.has_begun:  # the client's next request goes to another process
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        requests.tasks.add(task)
        try:
            await self._app(scope, receive, send_last)
        except asyncio.CancelledError:
            if task not in requests.given_up or task.uncancel():  # somebody else has cancelled it, too
                raise
            if not is_begun:  # else nothing can be said any more: it ends where it is
                await answer(DeadlineExceeded(LATE, retry_after_s=1))(scope, receive, send_last)
        finally:
            requests.tasks.discard(task)
            requests.given_up.discard(task)


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task
