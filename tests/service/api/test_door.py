"""Who is let in by the head of a request: over a real connection, where a refusal must leave all as it was."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from service.api.access import Access
from service.api.admission import Admission
from service.api.door import ENTERED, Door
from service.api.entrance import MAX_BEGUN, Entrance
from service.api.glance import refusable
from service.api.problems import handlers
from service.api.turnstile import Turnstile, _inside
from service.metrics import Metrics
from service.settings import Settings
from service.stopping import Stopping
from tests.service.api.live import live
from tests.service.api.serving import assert_problem, client_of

SHORT, LONG = "/v1/tasks/a/predictions", "/v1/tasks"
MOST = 3


class Slow:
    """An app that answers when it may, behind a door for three."""

    def __init__(self, **settings: Any) -> None:
        self.metrics, self.may_answer, self.num_inside = Metrics(), False, 0
        self.stopping = Stopping()
        given = Settings(max_in_flight=MOST, **settings)
        self.door = Door(given, self.metrics)
        self.door.learn({"headers": []}, "default")  # or whoever comes after the first answer were another tenant
        layers = [
            Middleware(Access, metrics=self.metrics),
            Middleware(
                Admission, settings=given.model_copy(update={"max_in_flight": 10}), metrics=self.metrics, door=self.door
            ),
        ]
        self.app = FastAPI(middleware=layers, exception_handlers=handlers(self.metrics))

        @self.app.post("/v1/{path:path}")
        async def answer(request: Request) -> int:
            self.door.learn(request.scope, request.headers.get("authorization", "default"))
            length = len(await request.body())
            self.num_inside += 1
            while not self.may_answer:
                await asyncio.sleep(0.001)
            self.num_inside -= 1
            return length

    async def inside(self, count: int) -> None:
        while self.num_inside < count:
            await asyncio.sleep(0.001)

    def shed(self) -> float:
        return self.metrics.registry.get_sample_value("kshot_shed_requests_total", {"reason": "crowded"}) or 0


async def test_only_short_predictions_are_counted_at_the_door() -> None:
    slow = Slow()
    async with client_of(slow.app) as client:
        asked = [asyncio.create_task(client.post(SHORT, content=b"x")) for _ in range(MOST)]
        asked += [asyncio.create_task(client.post(LONG, content=b"x"))]
        asked += [asyncio.create_task(client.post(SHORT, content=b"x" * 70_000))]
        await slow.inside(5)
        refused = await client.post(SHORT, content=b"x")
        assert_problem(refused, 429, "overloaded")
        assert refused.headers["retry-after"] == "1" and slow.shed() == 1
        slow.may_answer = True
        assert [(await each).json() for each in asked] == [1, 1, 1, 1, 70_000]
        assert (await client.post(SHORT, content=b"x")).status_code == 200


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 40_000


@pytest.mark.parametrize("is_at_the_server", [False, True])
async def test_a_long_body_in_chunks_leaves_the_crowd(is_at_the_server: bool) -> None:
    slow = Slow()
    crowd = slow.door._crowd

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        if (place := slow.door.enter(scope)) is not None:
            scope.setdefault("state", {})[ENTERED] = True
            await _inside(slow.app, place, scope, receive, send)

    transport = httpx.ASGITransport(inside if is_at_the_server else slow.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kshot") as client:
        asked = [asyncio.create_task(client.post(SHORT, content=chunks(count))) for count in (1, 2, 3)]
        await slow.inside(3)
        assert crowd.num_inside == 1
        slow.may_answer = True
        assert [(await each).json() for each in asked] == [40_000, 80_000, 120_000]
    assert crowd.num_inside == 0


async def test_another_tenant_is_let_in_beside_a_flood() -> None:
    slow = Slow()
    loud, quiet = {"Authorization": "loud"}, {"Authorization": "quiet"}
    async with client_of(slow.app) as client:
        slow.may_answer = True
        for each in (loud, quiet):
            assert (await client.post(SHORT, headers=each)).status_code == 200
        slow.may_answer = False
        asked = [asyncio.create_task(client.post(SHORT, headers=loud, content=b"")) for _ in range(MOST)]
        await slow.inside(MOST)
        assert (await client.post(SHORT, headers=loud)).status_code == 429
        asked += [asyncio.create_task(client.post(SHORT, headers=quiet))]
        await slow.inside(MOST + 1)
        slow.may_answer = True
        assert {(await each).status_code for each in asked} == {200}


async def test_who_is_refused_is_told_to_come_back_at_different_times() -> None:
    slow = Slow()
    slow.door._refused_per_s = 30.0
    async with client_of(slow.app) as client:
        asked = [asyncio.create_task(client.post(SHORT)) for _ in range(MOST)]
        await slow.inside(MOST)
        times = {(await client.post(SHORT)).headers["retry-after"] for _ in range(40)}
        assert len(times) == 30 and {"1", "30"} <= times
        slow.may_answer = True
        await asyncio.gather(*asked)


@pytest.fixture
def served() -> Iterator[tuple[Slow, str]]:
    slow = Slow()
    refused = slow.metrics.requests.labels("unknown", "POST", 429)
    with live(slow.app, partial(Turnstile, slow.door, Entrance(), slow.stopping, refused)) as url:
        yield slow, url
        slow.may_answer = True


async def test_a_refusal_by_the_server_leaves_its_connection_usable(served: tuple[Slow, str]) -> None:
    slow, url = served
    async with httpx.AsyncClient(base_url=url) as client:
        asked = [asyncio.create_task(client.post(SHORT, content=b"x")) for _ in range(MOST)]
        while slow.num_inside < MOST:
            await asyncio.sleep(0.01)
        connection = HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port, timeout=20)
        for size in (0, 1, 60_000):
            connection.request("POST", SHORT, b"x" * size)
            answer = connection.getresponse()
            assert json.loads(answer.read())["code"] == "overloaded"
            assert (answer.status, answer.headers["retry-after"]) == (429, "1")
            assert answer.headers["content-type"] == "application/problem+json" and answer.headers["x-request-id"]
        first = connection.sock
        slow.may_answer = True
        assert [(await each).json() for each in asked] == [1] * MOST
        connection.request("POST", SHORT, b"xyz")
        assert json.loads(connection.getresponse().read()) == 3 and connection.sock is first
        connection.close()
    counted = {"route": "unknown", "method": "POST", "status": "429"}
    assert slow.shed() == slow.metrics.registry.get_sample_value("kshot_http_requests_total", counted) == 3


def test_what_is_short_by_its_head() -> None:
    door = Door(Settings(), Metrics())
    heads = {"content-length": (b"65536", b"65537", b"x"), "transfer-encoding": (b"chunked",)}
    found = {
        value: door.enter({"method": "POST", "path": SHORT, "headers": [(name.encode(), value)]}) is not None
        for name, values in heads.items()
        for value in values
    }
    assert found == {b"65536": True, b"65537": False, b"x": False, b"chunked": True}


def test_a_client_that_is_refused_on_its_last_request_sees_the_connection_end(served: tuple[Slow, str]) -> None:
    slow, url = served
    for _ in range(MOST):
        slow.door.enter({"method": "POST", "path": SHORT, "headers": [(b"content-length", b"1")]})
    answer = httpx.post(f"{url}{SHORT}", content=b"x", headers={"Connection": "close"})
    assert answer.status_code == 429 and answer.headers["connection"] == "close"


def test_who_is_refused_by_a_process_that_stops_is_to_ask_another(served: tuple[Slow, str]) -> None:
    slow, url = served
    for _ in range(MOST):
        slow.door.enter({"method": "POST", "path": SHORT, "headers": [(b"content-length", b"1")]})
    with httpx.Client(base_url=url) as client:
        assert "connection" not in client.post(SHORT, content=b"x").headers
        slow.stopping.begin(unready_s=60, drain_s=60)
        answer = client.post(SHORT, content=b"x")
    assert answer.status_code == 429 and answer.headers["connection"] == "close"


REQUEST = b"POST /v1/tasks/a/predictions HTTP/1.1\r\nHost: x\r\n%bContent-Length: 2\r\n\r\nxy"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (REQUEST % b"", (True, None)),
        (REQUEST % b"authoriZation:  Bearer Key \r\n", (True, "Bearer Key")),
        (REQUEST % b"Connection: Keep-Alive\r\n", (True, None)),
        (REQUEST % b"" + b"P", (False, None)),
        ((REQUEST % b"")[:-1], (False, None)),
        ((REQUEST % b"").replace(b"predictions", b"support"), (False, None)),
        ((REQUEST % b"").replace(b"/1.1", b"/1.0"), (False, None)),
        *(
            (REQUEST % f"{each}\r\n".encode(), (False, None))
            for each in (
                "Content-Length: 2",
                "content-length : 2",
                "Transfer-Encoding: chunked",
                "Transfer-Encoding : chunked",
                "Connection: close",
                "Connection: keep-alive\r\nConnection: close",
                "Expect: 100-continue",
                "Upgrade: h2c",
                " folded",
                "X: a\nContent-Length: 9",
                "X: a\rY: b",
                "X: \0",
            )
        ),
    ],
)
def test_what_is_refused_without_a_parser(sent: bytes, expected: tuple[bool, str | None]) -> None:
    assert refusable(sent, 2) == expected
    assert refusable(sent, 1) == (False, None)


@pytest.mark.parametrize("more", [b"", b"X: a\r\nY: b\r\n"])
def test_no_part_of_a_request_is_taken_for_a_whole_one(more: bytes) -> None:
    for whole in (REQUEST[:-2].replace(b": 2", b": 0") % more, REQUEST[:-8] % (b"Content-Length: 0\r\n" + more)):
        assert not any(refusable(whole[:end], 2)[0] for end in range(len(whole)))
    assert refusable(REQUEST[:-2].replace(b": 2", b": 0") % more, 2) == (True, None)


@pytest.mark.parametrize("path", [b"/v1/tasks?/predictions", b"/v1/tasks#/predictions"])
def test_what_only_looks_like_a_prediction_goes_to_the_parser(path: bytes) -> None:
    assert refusable((REQUEST % b"").replace(b"/v1/tasks/a/predictions", path), 2) == (False, None)


def test_refusals_at_a_glance_and_by_the_parser_are_alike(served: tuple[Slow, str]) -> None:
    slow, url = served
    place = urlsplit(url)
    for _ in range(MOST):
        slow.door.enter({"method": "POST", "path": SHORT, "headers": [(b"content-length", b"1")]})
    request, found = REQUEST % b"", []
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        for sent in ([request], [request[:30], request[30:]], [request[:-1], request[-1:]], [request]):
            for part in sent:
                connection.sendall(part)
                time.sleep(0.05)  # a part by itself, or all the same
            found.append(connection.recv(2**16))
    head, *others = ([line for line in each.splitlines() if b"request-id" not in line] for each in found)
    assert head[0].startswith(b"HTTP/1.1 429") and all(each == head for each in others)
    assert slow.shed() == 4


def test_who_takes_no_refusals_gets_no_more(served: tuple[Slow, str]) -> None:
    slow, url = served
    for _ in range(MOST):
        slow.door.enter({"method": "POST", "path": SHORT, "headers": [(b"content-length", b"1")]})
    with socket.socket() as connection:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, 4096)
        connection.connect((urlsplit(url).hostname, urlsplit(url).port))
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                connection.sendall(REQUEST % b"" * 1000)
        connection.settimeout(60)
        before = slow.shed()
        while slow.shed() == before:
            assert connection.recv(2**20)  # who takes them is read again


async def test_those_let_in_begin_a_few_a_turn() -> None:
    loop, begun = asyncio.get_running_loop(), list[int]()
    entrance = Entrance()
    for number in range(2 * MAX_BEGUN + 1):
        entrance.begin(partial(begun.append, number), loop)
    seen = []
    while len(begun) < 2 * MAX_BEGUN + 1:
        seen.append(len(begun))
        await asyncio.sleep(0)
    assert seen == [MAX_BEGUN, 2 * MAX_BEGUN] and begun == sorted(begun)


def test_thousands_of_refused_requests_in_a_row_are_all_answered(served: tuple[Slow, str]) -> None:
    slow, url = served
    place = urlsplit(url)
    for _ in range(MOST):
        slow.door.enter({"method": "POST", "path": SHORT, "headers": [(b"content-length", b"1")]})
    post = f"POST {SHORT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode()
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" + post * 3000)
        found = b""
        while found.count(b"HTTP/1.1 429") < 3000 and (more := connection.recv(2**20)):
            found += more
    assert found.count(b"HTTP/1.1 429") == 3000
