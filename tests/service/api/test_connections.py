"""What a refused body leaves of its connection, with both of uvicorn's parsers."""

import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.metrics import Metrics
from service.settings import MIB
from tests.service.api.live import echoing, live


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(params=["h11", "httptools"])
def connection(request: pytest.FixtureRequest, metrics: Metrics) -> Iterator[HTTPConnection]:
    app = echoing(metrics, max_body_mib=1)
    with live(app, request.param) as url:
        connection = HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port, timeout=20)
        connection.connect()
        yield connection
        connection.close()


def answer(connection: HTTPConnection) -> tuple[int, Any]:
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def in_flight(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("kshot_http_in_flight_requests")


def test_a_refused_body_leaves_the_connection_usable(connection: HTTPConnection, metrics: Metrics) -> None:
    first: socket.socket = connection.sock
    for _ in range(3):
        connection.request("POST", "/v1/echo", b"x" * (4 * MIB))
        status, problem = answer(connection)
        assert (status, problem["code"]) == (413, "body_too_large")
        connection.request("POST", "/v1/echo", b"x" * MIB)
        assert answer(connection) == (200, MIB)
    assert connection.sock is first
    assert in_flight(metrics) == 0


def test_a_chunked_body_is_cut_and_the_connection_usable(connection: HTTPConnection) -> None:
    first: socket.socket = connection.sock
    connection.request("POST", "/v1/echo", iter([b"x" * MIB] * 4), encode_chunked=True)
    status, problem = answer(connection)
    assert (status, problem["code"]) == (413, "body_too_large")
    connection.request("POST", "/v1/echo", iter([b"x" * 10] * 4), encode_chunked=True)
    assert answer(connection) == (200, 40)
    assert connection.sock is first


def test_the_answer_comes_before_a_body_that_is_too_large(connection: HTTPConnection) -> None:
    connection.putrequest("POST", "/v1/echo")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert answer(connection)[0] == 413


def test_a_client_that_leaves_in_the_middle_frees_its_place(connection: HTTPConnection, metrics: Metrics) -> None:
    connection.putrequest("POST", "/v1/echo")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    while in_flight(metrics) != 1:
        time.sleep(0.01)
    connection.close()
    while in_flight(metrics) != 0:
        time.sleep(0.01)
