"""Admission over a tiny app: what is refused before a body is read, and that nothing stays counted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware import Middleware
from starlette.types import Message

from service.api.access import Access
from service.api.admission import Admission
from service.api.door import Door
from service.api.problems import handlers
from service.metrics import Metrics
from service.settings import MIB, Settings
from tests.service.api.serving import assert_problem, client_of


class Tiny:
    """An app with one route below /v1 that reads its body and then waits until it may answer."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = Metrics()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.num_read = 0
        given = Settings(**settings)
        self.door = Door(given, self.metrics)
        admission = Middleware(Admission, settings=given, metrics=self.metrics, door=self.door)
        self.app = FastAPI(
            middleware=[Middleware(Access, metrics=self.metrics), admission], exception_handlers=handlers(self.metrics)
        )

        @self.app.post("/v1/echo")
        async def echo(request: Request) -> int:
            length = len(await request.body())
            self.num_read += 1
            await self.may_answer.wait()
            return length

        @self.app.post("/v1/parsed")
        async def parsed(request: Request, size: int) -> int:
            request.state.hold_parsed(size)
            self.num_read += 1
            await self.may_answer.wait()
            return size

        @self.app.get("/v1/file")
        async def file(request: Request, size: int) -> int:
            request.state.hold_answer(size)
            self.num_read += 1
            await self.may_answer.wait()
            return size

        @self.app.get("/v1/large")
        async def large(size: int) -> Response:
            return Response(bytes(size))

        @self.app.get("/livez")
        async def livez() -> str:
            return "alive"

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0

    async def wait_for_reads(self, count: int) -> None:
        while self.num_read < count:
            await asyncio.sleep(0)

    def assert_empty(self) -> None:
        assert self.value("kshot_http_in_flight_requests") == self.value("kshot_http_in_flight_bytes") == 0


async def chunks(count: int, size: int = MIB // 4) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_request_beyond_the_limit_is_shed_and_probes_are_not() -> None:
    tiny = Tiny(max_in_flight=2)
    tiny.may_answer.clear()
    async with client_of(tiny.app) as client:
        waiting = [asyncio.create_task(client.post("/v1/echo", content=b"abc")) for _ in range(2)]
        await tiny.wait_for_reads(2)
        assert tiny.value("kshot_http_in_flight_requests") == 2
        assert tiny.value("kshot_http_in_flight_bytes") == 6
        shed = await client.post("/v1/echo", content=b"abc")
        assert_problem(shed, 429, "overloaded")
        assert shed.headers["retry-after"] == "1"
        assert (await client.get("/livez")).status_code == 200
        tiny.may_answer.set()
        assert [(await answer).json() for answer in waiting] == [3, 3]
        assert (await client.post("/v1/echo")).json() == 0
    assert tiny.value("kshot_shed_requests_total", reason="admission_overloaded") == 1
    tiny.assert_empty()


async def test_bytes_in_flight_are_limited() -> None:
    tiny = Tiny(max_in_flight_mib=1, max_body_mib=1)
    tiny.may_answer.clear()
    async with client_of(tiny.app) as client:
        waiting = asyncio.create_task(client.post("/v1/echo", content=b"x" * (MIB - 10)))
        await tiny.wait_for_reads(1)
        assert_problem(await client.post("/v1/echo", content=b"x" * 11), 429, "overloaded")
        assert_problem(await client.post("/v1/echo", content=chunks(1, 11)), 429, "overloaded")
        fits = asyncio.create_task(client.post("/v1/echo", content=b"x" * 10))
        await tiny.wait_for_reads(2)
        tiny.may_answer.set()
        assert [(await waiting).json(), (await fits).json()] == [MIB - 10, 10]
    tiny.assert_empty()


async def test_files_that_are_answered_are_limited_and_a_large_one_goes_alone() -> None:
    tiny = Tiny(max_in_flight_mib=1, max_body_mib=1)
    for first, refused in ((MIB - 10, 11), (3 * MIB, 1)):
        tiny.may_answer.clear()
        async with client_of(tiny.app) as client:
            waiting = asyncio.create_task(client.get("/v1/file", params={"size": first}))
            await tiny.wait_for_reads(tiny.num_read + 1)
            problem = assert_problem(await client.get("/v1/file", params={"size": refused}), 429, "overloaded")
            assert str(first) in problem["detail"]
            tiny.may_answer.set()
            assert (await waiting).json() == first
            assert (await client.get("/v1/file", params={"size": refused})).json() == refused
    tiny.assert_empty()


async def test_what_bodies_take_when_parsed_counts_and_too_much_goes_alone() -> None:
    tiny = Tiny(max_in_flight_mib=1, max_body_mib=1)
    tiny.may_answer.clear()
    async with client_of(tiny.app) as client:
        waiting = asyncio.create_task(client.post("/v1/parsed", params={"size": 3 * MIB}, content=b"{}"))
        await tiny.wait_for_reads(1)
        assert tiny.value("kshot_http_in_flight_bytes") == 3 * MIB + 2
        assert_problem(await client.post("/v1/parsed", params={"size": 1}), 429, "overloaded")
        tiny.may_answer.set()
        assert (await waiting).json() == 3 * MIB
        assert (await client.post("/v1/parsed", params={"size": 1})).json() == 1
    tiny.assert_empty()


@pytest.mark.parametrize(("size", "status"), [(MIB, 200), (MIB + 1, 413)])
async def test_a_declared_body_is_refused_unread(size: int, status: int) -> None:
    tiny = Tiny(max_body_mib=1)
    async with client_of(tiny.app) as client:
        answer = await client.post("/v1/echo", content=b"x" * size)
    assert answer.status_code == status
    assert tiny.num_read == (status == 200)
    tiny.assert_empty()


async def test_a_chunked_body_is_counted_and_cut() -> None:
    tiny = Tiny(max_body_mib=1)
    async with client_of(tiny.app) as client:
        assert (await client.post("/v1/echo", content=chunks(4))).json() == MIB
        answer = await client.post("/v1/echo", content=chunks(1_000_000))
    assert_problem(answer, 413, "body_too_large")
    tiny.assert_empty()


async def test_a_length_of_thousands_of_digits_is_too_large() -> None:
    async with client_of(Tiny().app) as client:
        answer = await client.post("/v1/echo", content=b"x", headers={"Content-Length": "9" * 5_000})
    assert_problem(answer, 413, "body_too_large")


async def test_a_body_that_lies_about_its_length_is_cut() -> None:
    tiny = Tiny(max_body_mib=1)
    async with client_of(tiny.app) as client:
        answer = await client.post("/v1/echo", content=chunks(8), headers={"Content-Length": "5"})
    assert_problem(answer, 413, "body_too_large")
    tiny.assert_empty()


@pytest.mark.parametrize("setting", ["request_timeout_s", "body_timeout_s"])
async def test_a_body_that_does_not_come_ends_at_the_deadline(setting: str) -> None:
    tiny = Tiny(**{setting: 0.05})

    async def silence() -> Message:
        await asyncio.sleep(30)
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await tiny.app(
        {"type": "http", "method": "POST", "path": "/v1/echo", "query_string": b"", "headers": []}, silence, send
    )
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert tiny.value("kshot_shed_requests_total", reason="body_timeout") == 1
    tiny.assert_empty()


async def test_a_client_that_leaves_frees_its_place() -> None:
    tiny = Tiny()

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/echo",
        "query_string": b"",
        "headers": [(b"content-length", b"9")],
    }
    await tiny.app(scope, leave, send)
    tiny.assert_empty()
    assert tiny.value("kshot_http_requests_total", route="/v1/echo", method="POST", status="499") == 1


async def test_the_prefix_of_a_proxy_does_not_open_the_gate() -> None:
    tiny = Tiny(max_body_mib=1)
    transport = httpx.ASGITransport(tiny.app, root_path="/kshot")
    async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
        answer = await client.post("/kshot/v1/echo", content=b"x" * (MIB + 1))
    assert_problem(answer, 413, "body_too_large")


async def test_bodies_without_a_key_leave_half_of_the_room_to_tenants() -> None:
    tiny = Tiny(max_body_mib=1, max_in_flight_mib=4, auth="on")
    keyed = {"headers": [(b"authorization", b"Bearer k")]}
    tiny.door.learn(keyed, "acme")
    tiny.may_answer.clear()
    async with client_of(tiny.app) as client:
        held = [asyncio.create_task(client.post("/v1/echo", content=b"x" * MIB)) for _ in range(2)]
        await tiny.wait_for_reads(2)
        assert_problem(await client.post("/v1/echo", content=b"x"), 429, "overloaded")
        known = asyncio.create_task(client.post("/v1/echo", content=b"x" * MIB, headers={"Authorization": "Bearer k"}))
        await tiny.wait_for_reads(3)
        tiny.may_answer.set()
        assert [(await each).json() for each in (*held, known)] == [MIB] * 3
    assert tiny.value("kshot_http_in_flight_bytes") == 0
