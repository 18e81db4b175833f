"""The shortcut changes what a prediction costs and nothing else: the router answers alike."""

import json
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import JSON, client_of, input_dim, vectors

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


async def test_the_router_answers_alike(database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, threads=1, auth="off", only_models=("vectors",)))
    async with app.router.lifespan_context(app):
        async with client_of(app) as client:
            dim = await input_dim(client)
            made = await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})
            task = made.raise_for_status().json()["id"]
            short = {name: await asked(client, task, dim, **told) for name, told in QUESTIONS.items()}
        assert "Shortcut" in repr(app.user_middleware.pop())
        app.middleware_stack = None
        async with client_of(app) as client:
            routed = {name: await asked(client, task, dim, **told) for name, told in QUESTIONS.items()}
    for name in QUESTIONS:
        assert short[name] == routed[name], name
    assert {status for status, _, _ in short.values()} >= {200, 400, 404, 405, 415, 422}
    route = {"route": "/v1/tasks/{task_id}/predictions", "method": "POST", "status": "200"}
    counted = app.state.metrics.registry.get_sample_value("kshot_http_requests_total", route)
    assert counted == sum(status == 200 for status, _, _ in [*short.values(), *routed.values()])


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
) -> tuple[int, dict[str, str], Any]:
    sent = json.dumps({"inputs": [[1.0] * dim], **(body or {})}).encode() if content is None else content
    answer = await client.request(method, path.format(task=task), content=sent, headers=headers)
    told = answer.json()
    told.pop("timing", None)
    kept = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    return answer.status_code, kept, told
