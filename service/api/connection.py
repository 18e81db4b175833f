"""uvicorn's connections, with a limit on what comes without being of use: an endless head would be kept in memory."""

from asyncio import BaseTransport, TimerHandle, Transport
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_USELESS_BYTES = 64 * 1024  # of a head, of trailers, of what is written beside the lengths of chunks
HEAD_TIMEOUT_S = 30.0  # from when a connection is made, or a request begins, to the end of its head


class Connection(HttpToolsProtocol):
    """One connection. It is closed where bytes come and come that neither end a head nor are of a body."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._num_useless = 0
        self._timer: TimerHandle | None = None
        self._is_in_head = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(cast(Transport, transport))
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Whatever is of use begins the count anew."""
        self._num_useless += len(data)
        super().data_received(data)
        if self._is_in_head and self._timer is None:  # most heads come whole, and need none
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up_head)
        if self._num_useless > MAX_USELESS_BYTES + len(data):
            self._leave(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request."""
        self._num_useless = 0
        self._head_is_there()
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The end of a head."""
        self._num_useless = 0
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._num_useless = 0
        super().on_body(body)

    def _give_up_head(self) -> None:
        """Leave, but for a head whose rest is not even read: that of a request behind one that is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up_head)
        else:
            self._leave(HTTPStatus.REQUEST_TIMEOUT)

    def _head_is_there(self) -> None:
        self._is_in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _leave(self, status: HTTPStatus) -> None:
        """Close; with an answer, unless one is under way."""
        if self.cycle is None or self.cycle.response_complete:
            head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()
