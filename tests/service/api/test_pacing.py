"""Answers in pieces: a client that does not read holds a few of them, and not for ever."""

import asyncio
import socket

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api import pacing
from service.api.pacing import PIECE_BYTES, paced
from service.settings import MIB
from tests.service.api.live import live
from tests.service.api.test_admission import Tiny

START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 10 * PIECE_BYTES - 1])
@pytest.mark.parametrize("more", [True, False])
async def test_a_body_arrives_whole_in_pieces(size: int, more: bool) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    body = bytes(range(256)) * (size // 256 + 1)
    await paced(send)(START)
    await paced(send)({"type": "http.response.body", "body": body[:size], "more_body": more})
    assert sent[0] == START
    assert b"".join(message["body"] for message in sent[1:]) == body[:size]
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [more]
    assert all(len(message["body"]) <= PIECE_BYTES for message in sent[1:])


async def test_who_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "PATIENCE_S", 0.01)

    async def send(message: Message) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClientDisconnect):
        await paced(send)({"type": "http.response.body", "body": b"a"})


def test_what_a_slow_reader_was_promised_is_counted_until_it_is_out() -> None:
    size, tiny = 30 * MIB, Tiny(max_in_flight_mib=1, max_body_mib=1)
    with live(tiny.app) as url, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        client.sendall(b"GET /v1/large?size=%d HTTP/1.1\r\nHost: kshot\r\nConnection: close\r\n\r\n" % size)
        received = len(client.recv(1024))
        for _ in range(20):
            assert tiny.value("kshot_http_in_flight_requests") == 1  # nothing is read, so it is not over
            received += len(client.recv(1024))
        while more := client.recv(MIB):
            received += len(more)
        assert size < received < size + 1_000
    tiny.assert_empty()
