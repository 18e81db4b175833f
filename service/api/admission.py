"""Who is let in, decided before a body is read: so many requests and so many bytes at once, and no body too large."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.body import Body
from service.api.door import ENTERED, Door, Place
from service.api.pacing import paced
from service.api.paths import route_path
from service.api.problems import answer
from service.errors import BodyTooLarge, KshotError, NotFound, Overloaded
from service.metrics import Metrics
from service.settings import MIB, Settings

GUARDED: Final = "/v1/"
RETRY_AFTER_S = 1.0


class Admission:
    """ASGI middleware that guards /v1/. What it refuses is answered at once; what it admits carries a deadline."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics, door: Door) -> None:
        self._app = app
        self._door = door
        self._max_requests = settings.max_in_flight
        self._max_body_bytes = settings.max_body_mib * MIB
        self._max_bytes = max(settings.max_in_flight_mib * MIB, self._max_body_bytes)
        self._max_share = self._max_bytes if settings.auth == "off" else max(self._max_bytes // 2, self._max_body_bytes)
        self._timeout_s = settings.request_timeout_s
        self._body_timeout_s = settings.body_timeout_s
        self._metrics = metrics
        self._num_requests = 0
        self._num_bytes = 0
        self._bytes_of: Counter[str] = Counter()  # the same by tenant, as far as the door knows whose a request is
        self._num_answered = 0  # bytes of files that are being answered
        metrics.in_flight.set_function(lambda: self._num_requests)
        metrics.in_flight_bytes.set_function(lambda: self._num_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on with a guarded body and, in the request's state, its deadline, `hold_answer` and such."""
        if scope["type"] != "http" or not route_path(scope).startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        deadline = monotonic() + self._timeout_s
        body = Body(self, self._door.tenant(scope), scope, receive, deadline, self._body_timeout_s)
        at_end: list[Callable[[], object]] = []
        try:
            try:
                place = self._enter(scope, at_end)
                self._admit(body)
            except KshotError as error:
                await answer(error)(scope, receive, send)
                return
            at_end.append(partial(self._release, body))
            scope["state"].update(
                deadline=deadline, hold_answer=body.hold_answer, hold_parsed=body.hold_parsed, at_end=at_end.append
            )
            if place is None:
                await self._app(scope, body.receive, paced(send))
            else:
                await self._app(scope, place.counting(body.receive), paced(place.noting(send)))
        finally:
            for leave in reversed(at_end):
                leave()

    def _enter(self, scope: Scope, at_end: list[Callable[[], object]]) -> Place | None:
        """Take a place, unless the server has asked for one already. Raises NotFound, Overloaded."""
        if scope["path"].endswith("\n"):  # patterns of routes end before it, the door's suffixes do not
            raise NotFound(f"There is nothing at {scope['path'][:200]!r}.")
        if ENTERED in scope.setdefault("state", {}) or (place := self._door.enter(scope)) is None:
            return None
        at_end.append(place.leave)
        return place

    def _admit(self, body: Body) -> None:
        try:
            if self._num_requests >= self._max_requests:
                detail = f"{self._num_requests} requests are being served already."
                raise Overloaded(detail, retry_after_s=RETRY_AFTER_S)
            self.hold(body.num_bytes, body.num_bytes, body.tenant)
        except KshotError as error:
            self._metrics.shed.labels(f"admission_{error.code}").inc()
            raise
        self._num_requests += 1

    def _release(self, body: Body) -> None:
        self._num_requests -= 1
        self._take(body.tenant, -body.num_bytes)
        self._num_answered -= body.num_answered

    def hold_answer(self, more: int) -> None:
        """Make room for a file of so many bytes; one that is too large for it goes alone. Raises Overloaded."""
        if self._num_answered and self._num_answered + more > self._max_bytes:
            raise Overloaded(
                f"Files of {self._num_answered} bytes are being sent already.", retry_after_s=RETRY_AFTER_S
            )
        self._num_answered += more

    def hold_parsed(self, more: int, tenant: str) -> None:
        """Make room for what a body takes when it is parsed; too much for that goes alone. Raises Overloaded."""
        if self._num_requests > 1:
            self.hold(more, 0, tenant)
        else:
            self._take(tenant, more)

    def hold(self, more: int, total: int, tenant: str) -> None:
        """Make room for `more` bytes of a body of `total` so far; half of it is for one tenant, or all who are unknown.

        Raises BodyTooLarge or Overloaded.
        """
        if total > self._max_body_bytes:
            raise BodyTooLarge(f"The body is larger than {self._max_body_bytes} bytes.")
        if self._num_bytes + more > self._max_bytes or self._bytes_of[tenant] + more > self._max_share:
            raise Overloaded(f"{self._num_bytes} bytes are being served already.", retry_after_s=RETRY_AFTER_S)
        self._take(tenant, more)

    def _take(self, tenant: str, more: int) -> None:
        self._num_bytes += more
        self._bytes_of[tenant] += more
        if not self._bytes_of[tenant]:
            del self._bytes_of[tenant]
