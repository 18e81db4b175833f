"""Who is let in by the head of a request alone: short requests, while they would be answered in time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from service.api.crowd import Crowd
from service.api.paths import header
from service.errors import Overloaded
from service.logs import FIELDS
from service.metrics import Metrics
from service.settings import Settings

log = logging.getLogger(__name__)

SHORT_BODY_BYTES: Final = 64 * 1024
SHORT: Final = "/predictions"
MAX_KNOWN: Final = 10_000  # credentials whose tenant is remembered
STRANGERS: Final = ""  # share the part of one tenant
TELL_EVERY_S: Final = 1.0
ENTERED: Final = "entered"  # in the state of a request that the server has asked about at the door
CREDENTIAL: Final = "credential"
DETAIL: Final = "More is being asked than can be answered in time."


@dataclass(slots=True)
class Place:
    """What a short request holds while it is inside."""

    tenant: str
    crowd: Crowd
    num_bytes: int  # of its body, or as many as they may be
    is_in_chunks: bool
    is_done: bool = False
    is_withdrawn: bool = False

    def noting(self, send: Send) -> Send:
        """`send`, which also notes whether the request was done; to be refused or to lack a key is quicker."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.is_done = message["status"] < 400
            await send(message)

        return sending

    def counting(self, receive: Receive) -> Receive:
        """`receive`, which also gives the place up if a body that comes in chunks is not short after all."""
        if not self.is_in_chunks:
            return receive
        num_bytes = 0

        async def receiving() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > SHORT_BODY_BYTES and not self.is_withdrawn:
                self.is_withdrawn = True
                self.crowd.withdraw(self.tenant, self.num_bytes)
            return message

        return receiving

    def leave(self) -> None:
        """It is over."""
        if not self.is_withdrawn:
            self.crowd.leave(self.tenant, monotonic(), self.num_bytes, is_done=self.is_done)


class Door:
    """Before a body is read, or a key is looked up: whose request it is, is remembered from the last one that was."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Callable[[], float] = monotonic) -> None:
        self._crowd = Crowd(max_wait_s=settings.max_wait_ms / 1000, most=settings.max_in_flight)
        self._shed = metrics.shed.labels("crowded")
        self._clock = clock
        self._tenants: dict[int, str] = {}
        self._told_at = clock()
        self._num_refused = 0  # since that was told
        self._refused_per_s = 0.0

    def enter(self, scope: Scope) -> Place | None:
        """A place for a short request, none for another. Raises Overloaded."""
        if not _predicts(scope) or (num_bytes := _short_bytes(length := _length(scope))) is None:
            return None
        tenant = self.tenant(scope)
        if (retry_after_s := self._refused(tenant)) is not None:
            raise Overloaded(DETAIL, retry_after_s=retry_after_s)
        self._crowd.enter(tenant, num_bytes)
        return Place(tenant, self._crowd, num_bytes, is_in_chunks=length is None)

    @property
    def is_full(self) -> bool:
        """Whether anybody may be refused."""
        return self._crowd.is_full

    def refused(self, credential: str | None) -> float | None:
        """After how many seconds who came with a short prediction may come again; none if it may come in."""
        return self._refused(self._tenants.get(hash(credential), STRANGERS))

    def tenant(self, scope: Scope) -> str:
        """Whose request it is by its credential, before that is looked up; STRANGERS until one was."""
        return self._tenants.get(_credential(scope), STRANGERS)

    def learn(self, scope: Scope, tenant: str) -> None:
        """The credential of this request was found to be of this tenant."""
        if len(self._tenants) >= MAX_KNOWN:
            self._tenants.clear()
        self._tenants[_credential(scope)] = tenant

    def _refused(self, tenant: str) -> float | None:
        """Count it if it is; those who were refused are spread over the seconds that answering them takes."""
        if self._crowd.has_room(tenant):
            return None
        self._shed.inc()
        self._num_refused += 1
        elapsed_s = self._clock() - self._told_at
        if elapsed_s >= TELL_EVERY_S:
            self._refused_per_s = self._num_refused / elapsed_s
            fields = {"num_refused": self._num_refused, "num_inside": self._crowd.num_inside}
            log.warning("refused short requests", extra={FIELDS: fields})  # not each: that would cost more than it
            self._told_at, self._num_refused = self._clock(), 0
        spread = ceil(self._refused_per_s / (self._crowd.rate_per_s or 1.0))
        return 1.0 + self._num_refused % max(1, min(spread, 30))


def _predicts(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].endswith(SHORT))


def _length(scope: Scope) -> bytes | None:
    """What is declared of the body; nothing where it comes in chunks, or there is none."""
    return next((value for name, value in scope["headers"] if name == b"content-length"), None)


def _short_bytes(length: bytes | None) -> int | None:
    """How many bytes a short body has; one in chunks is taken for one until more has come. None of a long one."""
    if length is None:
        return SHORT_BODY_BYTES
    if not length.isdigit() or len(length) > 18 or int(length) > SHORT_BODY_BYTES:
        return None
    return int(length)


def _credential(scope: Scope) -> int:
    """What tells keys apart, without keeping one: a salted hash that no other process would make."""
    known: dict[str, int] = scope.setdefault("state", {})  # it is asked for again and again
    if CREDENTIAL not in known:
        known[CREDENTIAL] = hash(header(scope, b"authorization"))
    return known[CREDENTIAL]
