"""The shortcut changes what a prediction costs and nothing else: the router answers alike."""

import json
import re
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.routing import APIRoute

from service.api import adaptations, evaluations, files, jobs, limits, models, predictions, support, tasks, versions
from service.api.shortcut import Shortcut
from service.app import create_app
from service.errors import NotReady, Overloaded
from service.settings import Settings
from tests.service.api.serving import JSON, assert_problem, client_of, input_dim, vectors
from tests.service.samples import make_key

QUESTIONS: dict[str, dict[str, Any]] = {
    "a prediction": {},
    "of the best label alone": {"body": {"top": 1}},
    "a slash too many": {"path": "/v1/tasks/{task}/predictions/"},
    "another method": {"method": "GET"},
    "no such task": {"path": "/v1/tasks/task_01M817AF7N6PC5SYBFGGRDHZ74/predictions"},
    "no id": {"path": "/v1/tasks/import/predictions"},
    "no id, and no JSON": {"path": "/v1/tasks/import/predictions", "content": b"{"},
    "no such task, and no input": {
        "path": "/v1/tasks/task_01M817AF7N6PC5SYBFGGRDHZ74/predictions",
        "body": {"inputs": []},
    },
    "a query": {"path": "/v1/tasks/{task}/predictions?top=1"},
    "no JSON": {"content": b"{"},
    "no body": {"content": b""},
    "another type": {"headers": {"Content-Type": "text/plain"}},
    "another charset": {"headers": {"Content-Type": "application/json; charset=latin-1"}},
    "compressed": {"headers": JSON | {"Content-Encoding": "gzip"}},
    "unknown field": {"body": {"tops": 1}},
    "wrong input": {"body": {"inputs": ["a text"]}},
    "wrong width": {"body": {"inputs": [[1.0]]}},
    "too many": {"body": {"inputs": [[1.0]] * 2_000}},
    "coverage": {"body": {"coverage": 0.9}},
    "no body that is a form": {"headers": {"Content-Type": "multipart/form-data"}},
}
ADAPT: dict[str, Any] = {"path": "/v1/tasks", "body": {}}
KEYED = JSON | {"Idempotency-Key": "{way}"}  # the same in each way would be answered as in the other
TO_ADAPT: dict[str, dict[str, Any]] = {
    "a task": {},
    "a name and a prior": {"body": {"name": "é", "prior": "uniform", "metadata": {"a": 1.5}}},
    "once": {"headers": KEYED},
    "the same again": {"headers": KEYED},
    "another under its key": {"headers": KEYED, "body": {"name": "other"}},
    "a key that is none": {"headers": JSON | {"Idempotency-Key": "a b"}},
    "a key that is empty": {"headers": JSON | {"Idempotency-Key": ""}},
    "as a job": {"headers": JSON | {"Prefer": "wait=3, respond-async"}},
    "as a job, once": {"headers": JSON | {"Prefer": "respond-async", "Idempotency-Key": "{way}, a job"}},
    "a slash too many": {"path": "/v1/tasks/"},
    "another method": {"method": "PUT"},
    "a query": {"path": "/v1/tasks?limit=1"},
    "no JSON": {"content": b"{"},
    "no body": {"content": b""},
    "another type": {"headers": {"Content-Type": "text/plain"}},
    "a form of nothing": {"headers": {"Content-Type": "multipart/form-data"}},
    "no such model": {"body": {"model": "none"}},
    "unknown field": {"body": {"tops": 1}},
    "no examples": {"body": {"support": []}},
    "one label": {"body": {"support": [{"input": [1.0], "label": "a"}]}},
}
QUESTIONS |= {f"to adapt, {name}": ADAPT | told for name, told in TO_ADAPT.items()}


async def test_the_router_answers_alike(database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, threads=1, auth="off", only_models=("vectors",)))
    async with app.router.lifespan_context(app):
        async with client_of(app) as client:
            dim = await input_dim(client)
            made = await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})
            task = made.raise_for_status().json()["id"]
            short = {name: await asked(client, task, dim, way="short", **told) for name, told in QUESTIONS.items()}
        assert "Shortcut" in repr(app.user_middleware.pop())
        app.middleware_stack = None
        async with client_of(app) as client:
            routed = {name: await asked(client, task, dim, way="routed", **told) for name, told in QUESTIONS.items()}
    for name in QUESTIONS:
        assert short[name] == routed[name], name
    assert {status for status, _, _ in short.values()} >= {200, 201, 202, 400, 404, 405, 415, 422}
    assert short["to adapt, the same again"][1]["idempotency-replayed"] == "true"
    for path, status in (("/v1/tasks/{task_id}/predictions", 200), ("/v1/tasks", 201)):
        route = {"route": path, "method": "POST", "status": str(status)}
        counted = app.state.metrics.registry.get_sample_value("kshot_http_requests_total", route)
        first = status == 201  # which was made to begin with
        assert counted == first + sum(each == status for each, _, _ in [*short.values(), *routed.values()])


@pytest.mark.parametrize("prefix", ["", "/kshot"])
async def test_whom_keys_and_faults_stop_the_router_answers_alike(
    database_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {
        "owner": str(await make_key(database_url, "adapt", "predict", tenant="owner")),
        "reader": str(await make_key(database_url, "predict", tenant="owner")),
        "teacher": str(await make_key(database_url, "adapt", tenant="owner")),
        "other": str(await make_key(database_url, "predict", tenant="other")),
        "nobody": f"kshot_{'0' * 12}_{'0' * 64}",
    }
    settings = Settings(
        database_url=database_url, threads=1, auth="on", only_models=("vectors",), max_tenant_in_flight=1
    )  # so that the next is refused unless the one before has left the gate
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=prefix)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=f"http://kshot{prefix}") as client,
    ):
        bearers = {name: JSON | {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
        client.headers = httpx.Headers(bearers["owner"])
        dim = await input_dim(client)
        made = await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})
        task, service = made.raise_for_status().json()["id"], app.state.service

        async def all_asked(operation: str, told: dict[str, Any]) -> dict[str, tuple[int, dict[str, str], Any]]:
            ask = partial(asked, client, task, dim, **told)
            found = {name: await ask(headers=bearer) for name, bearer in bearers.items()}
            service.gate.enter("owner")
            found["beside another"] = await ask(headers=bearers["owner"])
            service.gate.leave("owner")
            for error in (Overloaded("Too much.", retry_after_s=2), NotReady("Not yet."), RuntimeError("a bug")):
                with monkeypatch.context() as patched:
                    patched.setattr(service.tasks, operation, AsyncRaising(error))
                    found[repr(error)] = await ask(headers=bearers["owner"])
            app.state.service = None
            found["not started"] = await ask(headers=bearers["owner"])
            app.state.service = service
            found["after all of it"] = await ask(headers=bearers["owner"])
            return found

        operations: dict[str, dict[str, Any]] = {"predict": {}, "adapt": ADAPT}
        short = {name: await all_asked(name, told) for name, told in operations.items()}
        assert "Shortcut" in repr(app.user_middleware.pop())
        app.middleware_stack = None
        for name, told in operations.items():
            assert await all_asked(name, told) == short[name]
    statuses = {name: [status for status, _, _ in found.values()] for name, found in short.items()}
    assert statuses["predict"] == [200, 200, 403, 404, 401, 429, 429, 503, 500, 503, 200]
    assert statuses["adapt"] == [201, 403, 201, 403, 401, 429, 429, 503, 500, 503, 201]
    shed = app.state.metrics.registry.get_sample_value("kshot_shed_requests_total", {"reason": "overloaded"})
    assert shed == 2 * len(operations)  # once in each way
    assert short["adapt"]["owner"][1]["location"] == f"{prefix}/v1/tasks/its id"


class AsyncRaising:
    """What is awaited and fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self, *arguments: Any) -> None:
        raise self._error


def test_a_shortcut_leaves_nothing_out() -> None:
    async def answer() -> Response:
        return Response()

    def shortcut(*paths: str, **options: Any) -> Shortcut:
        router = APIRouter()
        for path in paths:
            router.add_api_route(path, answer, **options)
        return Shortcut(FastAPI(), routers=[router], handlers={})

    shortcut("/one")
    for paths, options in (((), {}), (("/one", "/two"), {}), (("/one",), {"dependencies": [Depends(answer)]})):
        with pytest.raises(TypeError, match="one route that depends on nothing"):
            shortcut(*paths, **options)


async def test_no_route_below_v1_answers_without_a_key(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="on", only_models=("vectors",)))
    routers = (tasks, adaptations, support, versions, files, predictions, evaluations, jobs, models, limits)
    walked = [route for each in routers for route in each.router.routes if isinstance(route, APIRoute)]
    known = {(path, method) for path, methods in app.openapi()["paths"].items() for method in methods}
    async with app.router.lifespan_context(app), client_of(app) as client:
        for route in walked:
            for method in route.methods or ():
                known.discard((route.path_format, method.lower()))
                answer = await client.request(method, route.path_format)
                assert_problem(answer, 401, "unauthenticated")
    assert not [path for path, _ in known if path.startswith("/v1")]  # no router was forgotten here


@pytest.mark.parametrize("key", [None, "kshot_0_0", f"kshot_{'0' * 12}_{'0' * 64}"])
async def test_who_has_no_key_is_refused(database_url: str, key: str | None) -> None:
    app = create_app(Settings(database_url=database_url, threads=1, auth="on", only_models=("vectors",)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = await client.post("/v1/tasks/import/predictions", content=b"{", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def asked(
    client: httpx.AsyncClient,
    task: str,
    dim: int,
    *,
    method: str = "POST",
    path: str = "/v1/tasks/{task}/predictions",
    body: dict[str, Any] | None = None,
    content: bytes | None = None,
    headers: dict[str, str] = JSON,
    way: str = "",
) -> tuple[int, dict[str, str], Any]:
    adapts = "predictions" not in path
    usual = {"model": "vectors", "support": vectors(dim)} if adapts else {"inputs": [[1.0] * dim]}
    sent = json.dumps(usual | (body or {})).encode() if content is None else content
    headers = {name: value.format(way=way) for name, value in headers.items()}
    answer = await client.request(method, path.format(task=task), content=sent, headers=headers)
    told = answer.json()
    for name in ("timing", "created_at", "updated_at", "example_ids"):
        told.pop(name, None)
    if answer.status_code in (201, 202):
        assert all(told.pop(name) for name in ("id", "task") if name in told)
        answer.headers["location"] = re.sub(r"(task|job)_\w+", "its id", answer.headers["location"])
    if "detail" in told:
        told["detail"] = told["detail"].replace(answer.headers["x-request-id"], "its id")
    kept = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    return answer.status_code, kept, told
