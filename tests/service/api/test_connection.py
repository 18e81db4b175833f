"""Raw sockets against a real server: what never becomes a request is not kept, and who is slow with it is left."""

import asyncio
import socket
from collections.abc import Iterator
from itertools import repeat

import pytest
from fastapi import FastAPI, Request

from service.api import connection
from service.api.connection import MAX_USELESS_BYTES, Connection
from tests.service.api.live import live

GET = b"GET /length HTTP/1.1\r\nHost: kshot\r\n"
POST = GET.replace(b"GET", b"POST")
CHUNKED = b"POST /length HTTP/1.1\r\nHost: kshot\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 16 * 1024
ENOUGH = 512 * MAX_USELESS_BYTES  # what the buffers of sockets do not take


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server that tells how long bodies are."""
    app = FastAPI()

    @app.api_route("/length", methods=["GET", "POST"])
    async def length(request: Request) -> int:
        return len(await request.body())

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(0.5)

    with live(app, http=Connection) as url:
        yield int(url.rpartition(":")[2])


def answered(port: int, parts: Iterator[bytes]) -> tuple[int, bytes]:
    """How many bytes of these were taken before the server had enough of them, and what it said."""
    taken, said = 0, b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        try:
            for part in parts:
                client.sendall(part)
                taken += len(part)
                if taken > ENOUGH:
                    return taken, said
            while more := client.recv(PIECE):
                said += more
        except ConnectionError:
            pass
    return taken, said


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (GET + b"X-Long: ", b"a" * PIECE),
        (GET, b"X-Many: a\r\n" * 1_000),
        (b"GET /" + b"a" * PIECE, b"a" * PIECE),
        (CHUNKED + b"1;", b"a" * PIECE),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"X-Trailer: a\r\n" * 1_000),
    ],
    ids=["value", "headers", "path", "extension of a chunk", "trailers"],
)
def test_what_has_no_end_is_not_kept(port: int, begin: bytes, endless: bytes) -> None:
    def parts() -> Iterator[bytes]:
        yield begin
        yield from repeat(endless)

    assert answered(port, parts())[0] < ENOUGH


def test_large_heads_and_bodies_are_taken(port: int) -> None:
    head = GET + b"X-Large: " + b"a" * (MAX_USELESS_BYTES // 2) + b"\r\nConnection: close\r\n\r\n"
    assert answered(port, iter([head]))[1].endswith(b"\r\n\r\n0")
    size = 40 * MAX_USELESS_BYTES
    body = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size
    assert answered(port, iter([body, *[b"a" * PIECE] * (size // PIECE)]))[1].endswith(b"%d" % size)


def test_who_is_slow_with_a_head_is_left(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.2)
    assert answered(port, iter([]))[1] == b""
    assert answered(port, iter([GET]))[1].startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answered(port, iter([GET + b"Connection: close\r\n\r\n"]))[1].startswith(b"HTTP/1.1 200")


def test_a_head_behind_a_slow_answer_is_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.05)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(GET.replace(b"length", b"slow") + b"\r\n" + GET)
        assert client.recv(PIECE).startswith(b"HTTP/1.1 200")
