"""Every route of the service has a call in the client, and every call is in the documentation."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.client import AsyncClient, Client
from service.client.calling import call, pages
from service.errors import KshotError
from service.schemas import CreatePredictions, CreateTask, Example
from service.settings import Settings
from tests.service.client.both import refusal

DOCUMENTATION = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
EXAMPLE = Example(input="x", label="a")

CALLS: dict[str, Callable[[Client], Any]] = {
    "adapt": lambda kshot: kshot.adapt("m", ["x"], labels=["a"]),
    "adapt_later": lambda kshot: kshot.adapt_later("m", ["x"], labels=["a"]),
    "ask": lambda kshot: kshot.ask("m/t", CreatePredictions(inputs=["x"])),
    "cancel": lambda kshot: kshot.cancel("j"),
    "create": lambda kshot: kshot.create(CreateTask(model="m", support=[EXAMPLE])),
    "delete": lambda kshot: kshot.delete("t"),
    "evaluate": lambda kshot: kshot.evaluate("t", ["x"], labels=["a"]),
    "export": lambda kshot: kshot.export("t"),
    "extend": lambda kshot: kshot.extend("t", ["x"], labels=["a"]),
    "extend_later": lambda kshot: kshot.extend_later("t", ["x"], labels=["a"]),
    "forget": lambda kshot: kshot.forget("t", "x"),
    "get": lambda kshot: kshot.get("t"),
    "import_task": lambda kshot: kshot.import_task(b"file"),
    "job": lambda kshot: kshot.job("j"),
    "jobs": lambda kshot: list(kshot.jobs()),
    "limits": lambda kshot: kshot.limits(),
    "livez": lambda kshot: kshot.livez(),
    "metrics": lambda kshot: kshot.metrics(),
    "model": lambda kshot: kshot.model("m"),
    "model_tasks": lambda kshot: kshot.model_tasks("m"),
    "models": lambda kshot: kshot.models(),
    "predict": lambda kshot: kshot.predict("t", ["x"]),
    "readapt": lambda kshot: kshot.readapt("t"),
    "readapt_later": lambda kshot: kshot.readapt_later("t"),
    "readyz": lambda kshot: kshot.readyz(),
    "rollback": lambda kshot: kshot.rollback("t", 1),
    "support": lambda kshot: list(kshot.support("t")),
    "tasks": lambda kshot: list(kshot.tasks()),
    "update": lambda kshot: kshot.update("t", name="n"),
    "versions": lambda kshot: kshot.versions("t"),
    "wait": lambda kshot: kshot.wait("j"),
    "watch": lambda kshot: list(kshot.watch("j")),
    "weights": lambda kshot: kshot.weights("t"),
}


def calls_of(client: type) -> set[str]:
    return {name for kind in client.__mro__ for name, value in vars(kind).items() if isinstance(value, call | pages)}


def routes() -> dict[tuple[str, str], re.Pattern[str]]:
    """Every method and path of the OpenAPI document, with what such paths look like."""
    return {
        (method.upper(), path): re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
        for path, methods in create_app(Settings()).openapi()["paths"].items()
        for method in methods
    }


def asked(name: str) -> httpx.Request:
    """The request that a call sends."""
    requests: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return refusal(418, "teapot")

    with Client(transport=httpx.MockTransport(refuse)) as kshot, pytest.raises(KshotError):
        CALLS[name](kshot)
    (request,) = requests
    return request


def test_both_clients_have_the_same_calls() -> None:
    assert calls_of(Client) == calls_of(AsyncClient) == CALLS.keys()


def test_every_route_has_a_call_and_every_call_a_route() -> None:
    known = routes()
    reached = set()
    for request in map(asked, CALLS):
        found = [key for key, path in known.items() if key[0] == request.method and path.fullmatch(request.url.path)]
        assert len(found) == 1, f"{request.method} {request.url.path} is {found}"
        reached.update(found)
    assert reached == known.keys()


def test_every_call_is_documented() -> None:
    assert {name for name in CALLS if f"`{name}(" not in DOCUMENTATION} == set()
    assert [name for name in CALLS if not (getattr(Client, name).__doc__ or "").strip()] == []
