"""uvicorn's connections, but that who is not let in is answered at once: a refusal must cost next to nothing.

Under three times what can be served there are two refusals an answer. Through the application each would cost much of
what a prediction does; here it is a look at the head and one write.
"""

from functools import partial
from typing import Any, cast

from prometheus_client import Counter
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.api.access import HEADER, new_id
from service.api.connection import Connection
from service.api.door import DETAIL, ENTERED, Door, Place
from service.errors import Overloaded
from service.schemas import Problem

BODY = Problem.of(Overloaded(DETAIL)).model_dump_json().encode()


class Turnstile(Connection):
    """One connection."""

    def __init__(self, door: Door, refused: Counter, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._door = door
        self._refused = refused
        self._is_refusing = self._is_next_refused = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        try:
            place = self._door.enter(cast(Scope, cycle.scope))
        except Overloaded as error:
            self._refuse(cycle, error)
        else:
            cycle.scope["state"][ENTERED] = True
            super()._start_asgi_task(cycle, app if place is None else partial(_inside, app, place))

    def _refuse(self, cycle: RequestResponseCycle, error: Overloaded) -> None:
        cycle.response_started = cycle.response_complete = True  # what comes of its body is let fall
        self._refused.inc()
        self.transport.write(_refusal(error, keep_alive=cycle.keep_alive))
        if not cycle.keep_alive:
            self.transport.close()
        self._begin_next()

    def _begin_next(self) -> None:
        """The next request of the pipeline, which may be refused in its turn: a loop, as there may be thousands."""
        if self._is_refusing:
            self._is_next_refused = True
            return
        self._is_refusing = self._is_next_refused = True
        while self._is_next_refused:
            self._is_next_refused = False
            self.on_response_complete()
        self._is_refusing = False


async def _inside(app: Any, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await app(scope, place.counting(receive), place.noting(send))
    finally:
        place.leave()


def _refusal(error: Overloaded, *, keep_alive: bool) -> bytes:
    head = [
        f"HTTP/1.1 {error.status} Too Many Requests",
        "content-type: application/problem+json",
        f"content-length: {len(BODY)}",
        f"retry-after: {error.retry_after_s:.0f}",
        f"{HEADER}: {new_id()}",
    ]
    head += [] if keep_alive else ["connection: close"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + BODY
