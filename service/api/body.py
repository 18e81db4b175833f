"""The body of one admitted request: its bytes are counted as they come, and they must not be long in coming."""

from time import monotonic
from typing import Protocol

from starlette.types import Message, Receive, Scope

from service.errors import BodyTimeout
from service.timeouts import limited

LEAST_BYTES_PER_S = 64 * 1024  # each so many that have come are worth another second
MAX_DIGITS = 19  # of a length; more say nothing but that it is too large


class Room(Protocol):
    """Who counts the bytes of all requests."""

    def hold(self, more: int, total: int, tenant: str) -> None: ...  # noqa: D102
    def hold_answer(self, more: int) -> None: ...  # noqa: D102
    def hold_parsed(self, more: int, tenant: str) -> None: ...  # noqa: D102


class Body:
    """A body of which nothing has been read yet; what its client has declared is counted already."""

    def __init__(
        self, room: Room, tenant: str, scope: Scope, receive: Receive, deadline: float, timeout_s: float
    ) -> None:
        self.tenant = tenant
        self.num_bytes = _declared_bytes(scope)
        self.num_answered = 0
        self._received = 0
        self._is_complete = False
        self._room = room
        self._receive = receive
        self._deadline = deadline
        self._patience = monotonic() + timeout_s

    def hold_answer(self, num_bytes: int) -> None:
        """Count a large answer in until it has been sent. Raises Overloaded."""
        self._room.hold_answer(num_bytes)
        self.num_answered += num_bytes

    def hold_parsed(self, num_bytes: int) -> None:
        """Count in what the body takes when it is parsed. Raises Overloaded."""
        self._room.hold_parsed(num_bytes, self.tenant)
        self.num_bytes += num_bytes

    async def receive(self) -> Message:
        """The next part. Raises BodyTooLarge, Overloaded or BodyTimeout, which the app's handlers answer."""
        if self._is_complete:  # what comes now is the disconnect
            return await self._receive()
        until = min(self._deadline, self._patience + self._received / LEAST_BYTES_PER_S)
        try:
            message = await limited(until - monotonic(), self._receive())
        except TimeoutError:
            raise BodyTimeout(f"Only {self._received} bytes of the body came in time.") from None
        self._is_complete = message["type"] != "http.request" or not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > self.num_bytes:
            self._room.hold(self._received - self.num_bytes, self._received, self.tenant)
            self.num_bytes = self._received
        return message


def _declared_bytes(scope: Scope) -> int:
    """Content-Length; zero for a chunked body, which is counted as it comes."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:MAX_DIGITS])
    return 0
