"""Spans of requests, as a collector receives them."""

import asyncio
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.tracing import SEND_TIMEOUT_S, MissingExtra, Tracing
from tests.service.api.serving import serving, vectors

DIM = 64
WORD, NUMBER = "hunter2-Zq", 0.8371946
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """An OTLP endpoint over HTTP that keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Kept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [scope for each in requests for resource in each.resource_spans for scope in resource.scope_spans]
        return [span for scope in scopes for span in scope.spans]


class _Kept(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        self.server.bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_request_is_told_with_its_parts(sqlite_url: str, collector: Collector) -> None:
    async with serving(sqlite_url, "vectors", otel_endpoint=collector.url) as client:
        body = {"model": "vectors", "support": [*vectors(DIM), {"input": [NUMBER] * DIM, "label": WORD, "id": WORD}]}
        made = await client.post("/v1/tasks", json=body, headers={"X-Request-ID": "first"})
        task = made.headers["location"]
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        asked = {"inputs": [[NUMBER] * DIM] * 2}
        await asyncio.gather(*(client.post(f"{task}/predictions", json=asked, headers=headers) for _ in range(2)))
        await client.post(f"{task}/support", json={"support": [{"input": [0.5] * DIM, "label": WORD}]})
        await client.post(f"{task}/predictions", json={"inputs": [WORD]})
        job = (await client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"})).headers["location"]
        while (await client.get(job)).json()["state"] != "succeeded":
            await asyncio.sleep(0.05)
    spans = collector.spans()
    children = defaultdict(set)
    for span in spans:
        children[span.parent_span_id].add(span.name)

    create = next(span for span in spans if span.name == "POST /v1/tasks")
    assert children[create.span_id] == {"decode", "queue", "compute", "store"}
    told = {each.key: each.value.string_value or each.value.int_value for each in create.attributes}
    assert told.items() >= {"http.response.status_code": 201, "kshot.request_id": "first"}.items()
    assert told["kshot.task"] == made.json()["id"] and str(told["kshot.model"]).startswith("vectors@")

    predicted = [span for span in spans if span.trace_id.hex() == TRACE and span.parent_span_id.hex() == PARENT]
    assert len(predicted) == 2
    for span in predicted:
        assert children[span.span_id] == {"decode", "queue", "fetch", "compute"}
        assert span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    linked = {link.span_id for span in spans if span.name == "batch" for link in span.links}
    assert {span.span_id for span in (create, *predicted)} <= linked

    extend = next(span for span in spans if span.name == "POST /v1/tasks/{task_id}/support")
    assert children[extend.span_id] >= {"decode", "fetch", "queue", "compute", "store"}
    done = next(span for span in spans if span.name == "job adapt")
    assert not done.parent_span_id and children[done.span_id] >= {"decode", "queue", "compute", "store"}
    sent = b"".join(collector.bodies)
    assert WORD.encode() not in sent and str(NUMBER).encode() not in sent and not any(span.events for span in spans)


async def test_a_parent_that_is_not_kept_is_not_kept_here(sqlite_url: str, collector: Collector) -> None:
    async with serving(sqlite_url, "vectors", otel_endpoint=collector.url) as client:
        await client.get("/v1/tasks", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        await client.get("/v1/tasks", headers={"traceparent": f"00-{WORD}"})
    (kept,) = collector.spans()
    assert not kept.parent_span_id


async def test_a_collector_that_is_away_holds_up_nothing(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes what comes and never answers
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with serving(sqlite_url, "vectors", otel_endpoint=endpoint) as client:
            assert (await client.get("/v1/tasks")).status_code == 200
            began = time.monotonic()
        assert time.monotonic() - began < 5 * SEND_TIMEOUT_S


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra, match="kshot\\[otel\\]"):
        Tracing("http://127.0.0.1:1")
