"""A body that drips in over a real connection holds its place for so long and no longer."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from service.api import body
from service.metrics import Metrics
from tests.service.api.live import echoing, live

HEAD = b"POST /v1/echo HTTP/1.1\r\nHost: kshot\r\nContent-Length: %d\r\n\r\n"


def connected(url: str) -> socket.socket:
    return socket.create_connection((str(urlsplit(url).hostname), urlsplit(url).port or 80), timeout=60)


def answered(slow: socket.socket) -> bytes:
    """What is answered to a byte every 50 ms, which would go on for 50 s, until the connection is closed.

    A server that closes before it has read a byte resets the connection: the next call says so, be it to send; what was
    answered is read all the same.
    """
    told = b""
    slow.settimeout(0.05)
    for _ in range(1_000):
        with contextlib.suppress(ConnectionError):
            slow.sendall(b"x")
        with contextlib.suppress(TimeoutError):
            try:
                part = slow.recv(4_096)
            except ConnectionResetError:
                return told
            if not part:
                return told
            told += part
    return told


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_body_that_drips_is_answered_408_and_its_place_is_free(http: str) -> None:
    metrics = Metrics()
    with live(echoing(metrics, body_timeout_s=0.3, max_in_flight=1), http) as url, connected(url) as slow:
        slow.sendall(HEAD % 1_000)
        started, told = time.monotonic(), answered(slow)
        assert told.startswith(b"HTTP/1.1 408 ") and b"connection: close" in told.lower() and b"body_timeout" in told
        assert time.monotonic() - started < 30
        with connected(url) as quick:
            quick.sendall(HEAD % 3 + b"abc")
            assert quick.recv(4_096).startswith(b"HTTP/1.1 200 ")
    assert metrics.registry.get_sample_value("kshot_shed_requests_total", {"reason": "body_timeout"}) == 1


def test_a_body_that_keeps_coming_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LEAST_BYTES_PER_S", 10)  # each part of ten bytes is worth a second
    with live(echoing(Metrics(), body_timeout_s=1.0)) as url, connected(url) as steady:
        steady.sendall(HEAD % 100)
        for _ in range(10):
            steady.sendall(b"x" * 10)
            time.sleep(0.15)
        assert steady.recv(4_096).startswith(b"HTTP/1.1 200 ")
