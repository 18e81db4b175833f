"""A server that does nothing but answer, in a process of its own: what the generator can do, and where excess goes.

`echo` gives back the body that it was sent, `refuse` answers 429 as a service would.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import uvloop

from benchmarks.wire import Messages, body_of, response

Kind: TypeAlias = Literal["echo", "refuse"]

PROBLEM = b'{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Full.","code":"overloaded"}'
REFUSAL = response("429 Too Many Requests", PROBLEM, "Content-Type: application/problem+json", "Retry-After: 1")


@dataclass(frozen=True)
class Stub:
    """Where it answers, and its process."""

    url: str
    pid: int


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers go this way."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not one by its class

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        for message in self._messages.whole(data):
            is_echo = self._kind == "echo"
            self._transport.write(response("200 OK", body_of(message)) if is_echo else REFUSAL)


@contextmanager
def serving_stub(kind: Kind) -> Iterator[Stub]:
    """One that answers until the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(listener, kind), daemon=True)
        process.start()
        assert process.pid is not None
        try:
            yield Stub(f"http://127.0.0.1:{listener.getsockname()[1]}", process.pid)
        finally:
            process.terminate()
            process.join()


def _serve(listener: socket.socket, kind: Kind) -> None:
    uvloop.run(_answer(listener, kind))


async def _answer(listener: socket.socket, kind: Kind) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Answering(kind), sock=listener)
    await server.serve_forever()
