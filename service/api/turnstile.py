"""uvicorn's connections, but that who is not let in is answered at once: a refusal must cost next to nothing.

Under three times what can be served there are two refusals an answer. Through the application each would cost much of
what a prediction does; here it is a look at the head and one write.
"""

from functools import partial
from typing import Any, cast

from prometheus_client import Counter
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.api.access import NAME, new_id
from service.api.connection import Connection
from service.api.door import DETAIL, ENTERED, SHORT_BODY_BYTES, Door, Place
from service.api.entrance import Entrance
from service.api.glance import refusable
from service.errors import Overloaded
from service.schemas import Problem
from service.stopping import Stopping

BODY = Problem.of(Overloaded(DETAIL)).model_dump_json().encode()
HEAD = (
    b"HTTP/1.1 %d Too Many Requests\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
    % (Overloaded.status, len(BODY))
    + b"retry-after: %%.0f\r\n%s: %%b\r\n%%b\r\n" % NAME
)
LAST = b"connection: close\r\n"


class Turnstile(Connection):
    """One connection."""

    def __init__(
        self, door: Door, entrance: Entrance, stopping: Stopping, refused: Counter, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._door = door
        self._stopping = stopping
        self._entrance = entrance
        self._refused = refused
        self._is_refusing = self._is_next_refused = False
        self._is_between = True  # two requests: the last has come whole

    def data_received(self, data: bytes) -> None:
        """Refuse what can be without a parser."""
        if not (self._is_between and self._door.is_full and self._refuses(data)):
            super().data_received(data)
        if self.flow.write_paused and self._is_idle():  # who does not take refusals gets no more
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        """What was written has been taken."""
        super().resume_writing()
        if self._is_idle():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """A request."""
        self._is_between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The end of one."""
        self._is_between = True
        super().on_message_complete()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuses(self, data: bytes) -> bool:
        if not self._is_idle() or self.transport.is_closing() or self._stopping.has_begun:
            return False
        is_refusable, credential = refusable(data, SHORT_BODY_BYTES)
        if not is_refusable or (retry_after_s := self._door.refused(credential)) is None:
            return False
        self._head_is_there()
        self._refused.inc()
        self.transport.write(_refusal(retry_after_s))
        self.on_response_complete()
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        try:
            place = self._door.enter(cast(Scope, cycle.scope))
        except Overloaded as error:
            self._refuse(cycle, error)
        else:
            cycle.scope["state"][ENTERED] = True
            begin = partial(super()._start_asgi_task, cycle, app if place is None else partial(_inside, app, place))
            self._entrance.begin(begin, self.loop)

    def _refuse(self, cycle: RequestResponseCycle, error: Overloaded) -> None:
        cycle.response_started = cycle.response_complete = True  # what comes of its body is let fall
        self._refused.inc()
        is_kept = cycle.keep_alive and not self._stopping.has_begun  # nobody is to ask again who is about to leave
        self.transport.write(_refusal(error.retry_after_s or 1.0, b"" if is_kept else LAST))
        if not is_kept:
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


def _refusal(retry_after_s: float, more: bytes = b"") -> bytes:
    return HEAD % (retry_after_s, new_id().encode(), more) + BODY
