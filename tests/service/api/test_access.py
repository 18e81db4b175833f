"""Ids, logs, counts, and the answer to what nobody expected."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import Message, Receive, Scope, Send

from service.api.access import Access
from service.api.problems import handlers
from service.errors import DatabaseUnavailable
from service.logs import FIELDS
from service.metrics import Metrics
from tests.service.api.serving import assert_problem, client_of

SECRET = "the password is hunter2"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    app = FastAPI(middleware=[Middleware(Access, metrics=metrics)], exception_handlers=handlers(metrics))

    @app.get("/v1/things/{name}")
    async def thing(name: str) -> str:
        if name == "broken":
            raise RuntimeError(SECRET)
        if name == "away":
            raise DatabaseUnavailable("The database does not answer.", retry_after_s=2.2)
        return name

    return app


def fields(records: list[logging.LogRecord]) -> list[dict[str, Any]]:
    return [getattr(record, FIELDS) for record in records if hasattr(record, FIELDS)]


async def test_an_unexpected_error_is_told_without_internals(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things/broken")
    problem = assert_problem(answer, 500, "internal_error")
    assert SECRET not in answer.text and "RuntimeError" not in answer.text
    assert answer.headers["x-request-id"] in problem["detail"]
    assert "unexpected error" in caplog.text and "RuntimeError" in caplog.text


async def test_an_error_after_the_start_of_an_answer_breaks_it_off(metrics: Metrics) -> None:
    sent: list[Message] = []

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await Access(breaks, metrics=metrics)({"type": "http", "method": "GET", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_retry_after_is_whole_seconds_rounded_up(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things/away")
    assert_problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("given", ["abc-123", "A.b_c~d", "x" * 128])
async def test_a_request_id_is_kept(app: FastAPI, given: str) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things/a", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "é", 'a"b', "a\tb", "٣"])
async def test_an_unsafe_request_id_is_replaced(app: FastAPI, given: str) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things/a", headers={b"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32


async def test_one_line_a_request_by_the_template_of_the_route(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with client_of(app) as client:
        await client.get("/v1/things/private?question=42")
        await client.get("/nowhere")
    first, second = fields(caplog.records)
    assert first.pop("ms") >= 0
    assert first == {"method": "GET", "route": "/v1/things/{name}", "status": 200}
    assert (second["route"], second["status"]) == ("unknown", 404)
    assert "private" not in str(first)


async def test_labels_of_counters_do_not_grow(app: FastAPI, metrics: Metrics) -> None:
    async with client_of(app) as client:
        for number in range(20):
            await client.get(f"/v1/things/{number}")
            await client.get(f"/{number}")
            await client.request(f"BREW{number}", "/v1/things/a")
    [counter] = [family for family in metrics.registry.collect() if family.name == "kshot_http_requests"]
    assert {tuple(sample.labels.values()) for sample in counter.samples if sample.name.endswith("_total")} == {
        ("/v1/things/{name}", "GET", "200"),
        ("unknown", "GET", "404"),
        ("/v1/things/{name}", "other", "405"),
    }
