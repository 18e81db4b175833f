"""Who is let in, on every route of the OpenAPI document: keys, scopes, and tenants that do not exist for each other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from service.keys import Scope
from tests.service.api.serving import assert_problem, curve, serving
from tests.service.samples import make_key

SUPPORT = [row | {"id": f"e{number}"} for number, row in enumerate(curve())]
TASK: dict[str, Any] = {"model": "curves", "support": SUPPORT}
EXAMPLE = {"input": [0.5], "target": 2.0}

# A body that is right for each route which takes one: a route that is new here needs a line.
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/v1/tasks"): TASK,
    ("patch", "/v1/tasks/{task_id}"): {"name": "renamed"},
    ("post", "/v1/tasks/{task_id}/predictions"): {"inputs": [[0.5]]},
    ("post", "/v1/models/{name}/tasks/{task_name}/predictions"): {"inputs": [[0.5]]},
    ("post", "/v1/tasks/{task_id}/support"): {"support": [EXAMPLE]},
    ("post", "/v1/tasks/{task_id}/rollback"): {"version": 1},
    ("post", "/v1/tasks/{task_id}/evaluations"): {"examples": [EXAMPLE]},
    ("post", "/v1/tasks/{task_id}/readapt"): {},
}
PARAMETERS = {"example_id": "e0", "name": "curves", "task_name": "slope", "job_id": "job_01JD0000000000000000000000"}
UNKNOWN = "task_01JD0000000000000000000000"
SAFETENSORS = {"Content-Type": "application/vnd.safetensors"}
COMPUTES = ("/predictions", "/evaluations")


@dataclass(frozen=True)
class Route:
    """A method of a path."""

    method: str
    path: str
    takes_json: bool
    takes_form: bool

    @property
    def scope(self) -> str:
        reads = self.method == "get" and not self.path.endswith("/export")
        return "predict" if reads or self.path.endswith(COMPUTES) else "adapt"

    async def call(self, client: httpx.AsyncClient, task: str, key: str | None, **options: Any) -> httpx.Response:
        path = self.path.format(**{**PARAMETERS, "task_id": task, "job_id": options.pop("job", PARAMETERS["job_id"])})
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return await client.request(self.method, path, headers=headers, **options)


async def routes(client: httpx.AsyncClient) -> list[Route]:
    """Every route below /v1, those of one task last."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    found = [
        Route(method, path, "application/json" in content, "multipart/form-data" in content)
        for path, methods in paths.items()
        if path.startswith("/v1/")
        for method, operation in methods.items()
        for content in [operation.get("requestBody", {}).get("content", {})]
    ]
    assert {(each.method, each.path) for each in found if each.takes_json} <= set(BODIES)
    return found


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(sqlite_url, "curves", auth="on") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def new_task(client: httpx.AsyncClient, key: str) -> str:
    made = await client.post("/v1/tasks", json=TASK, headers={"Authorization": f"Bearer {key}"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def bodies(route: Route) -> list[dict[str, Any]]:
    """Without a body, and where one is taken with one that is wrong and one that is right."""
    taken = [{"json": {"wrong": 1}}, {"json": BODIES[route.method, route.path]}] if route.takes_json else []
    forms = [{"files": {"a": ("a/1.png", b"no picture")}}] if route.takes_form else []
    return [{}, *forms, *taken]


async def test_every_route_needs_a_key_with_its_scope(client: httpx.AsyncClient, sqlite_url: str) -> None:
    scopes: tuple[Scope, ...] = ("adapt", "predict")
    keys: dict[str, str] = {scope: str(await make_key(sqlite_url, scope)) for scope in scopes}
    task = await new_task(client, keys["adapt"])
    found = await routes(client)
    assert len(found) >= 8
    for route in found:
        for options in bodies(route):
            for key in (None, "nonsense", f"kshot_{'0' * 12}_{'0' * 64}", keys["adapt"][:-1] + "g"):
                refused = await route.call(client, task, key, **options)
                assert_problem(refused, 401, "unauthenticated")
                assert refused.headers["www-authenticate"] == "Bearer"
            (other,) = set(scopes) - {route.scope}
            assert_problem(await route.call(client, task, keys[other], **options), 403, "forbidden")


async def test_another_tenants_task_does_not_exist(client: httpx.AsyncClient, sqlite_url: str) -> None:
    owner, other = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("owner", "other")]
    for route in await routes(client):
        if "{task_id}" not in route.path:
            continue
        task = await new_task(client, owner)
        asked = await client.post(f"/v1/tasks/{task}/predictions", json={"inputs": [[0.5]]}, headers=bearer(owner))
        assert asked.is_success  # so that its params are in memory
        for options in bodies(route):
            refused = await route.call(client, task, other, **options)
            assert_problem(refused, 404, "task_not_found")
            unknown = await route.call(client, UNKNOWN, other, **options)
            assert refused.text.replace(task, UNKNOWN) == unknown.text
            assert refused.headers.keys() == unknown.headers.keys()
        for options in bodies(route):  # so that it was not for the request that they were 404
            answer = await route.call(client, task, owner, **options)
            assert answer.status_code != 404, (route, options, answer.text)
        assert answer.is_success, (route, answer.text)


async def test_a_tenant_shows_nowhere_but_in_its_own_answers(client: httpx.AsyncClient, sqlite_url: str) -> None:
    owner, other = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("tenant-A", "tenant-B")]
    support = [SUPPORT[0] | {"id": "row-A"}, *SUPPORT[1:]]
    told = {"model": "curves", "name": "plan-A", "metadata": {"note": "note-A"}, "support": support}
    made = await client.post("/v1/tasks", json=told, headers=bearer(owner) | {"Idempotency-Key": "key-A"})
    task = made.json()["id"]
    secrets = (task, "tenant-A", "plan-A", "note-A", "row-A", "key-A", owner)
    file = await client.get(f"/v1/tasks/{task}/export", headers=bearer(owner))
    assert file.is_success

    texts = []
    for route in await routes(client):
        for options in bodies(route):
            mine = await new_task(client, other)
            answers = [await route.call(client, mine, other, **options)]
            if "{example_id}" in route.path:
                path = f"/v1/tasks/{mine}/support/row-X"
                answers.append(await client.request(route.method, path, headers=bearer(other)))
            texts += [answer.text for answer in answers]
    replayed = await client.post("/v1/tasks", json=TASK, headers=bearer(other) | {"Idempotency-Key": "key-A"})
    assert replayed.status_code == 201 and "idempotency-replayed" not in replayed.headers
    for path in ("/metrics", "/readyz", "/livez", "/openapi.json"):
        texts.append((await client.get(path)).text)
    assert not [(secret, text[:300]) for text in texts for secret in secrets if secret in text]

    imported = await client.post("/v1/tasks/import", content=file.content, headers=bearer(other) | SAFETENSORS)
    assert imported.status_code == 201 and imported.json()["id"] != task  # who has the file has what is in it
    listed = (await client.get("/v1/tasks", headers=bearer(owner))).json()["items"]
    assert [each["id"] for each in listed] == [task]
    broken = await client.post("/v1/tasks/import", content=file.content[:-9], headers=bearer(other) | SAFETENSORS)
    assert broken.status_code == 422 and not [secret for secret in secrets if secret in broken.text]


async def test_another_tenants_job_does_not_exist(sqlite_url: str) -> None:
    owner, other = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("owner", "other")]
    async with serving(sqlite_url, "curves", auth="on", job_workers=0) as client:
        found = [route for route in await routes(client) if route.path.startswith("/v1/jobs")]
        headers = {"Authorization": f"Bearer {owner}", "Prefer": "respond-async", "Idempotency-Key": "one"}
        job = (await client.post("/v1/tasks", json=TASK, headers=headers)).json()["id"]
        theirs = await client.post("/v1/tasks", json=TASK, headers=headers | {"Authorization": f"Bearer {other}"})
        assert theirs.status_code == 202 and theirs.json()["id"] != job
        assert {(route.method, route.path) for route in found} >= {("delete", "/v1/jobs/{job_id}")}
        for route in sorted(found, key=lambda each: each.method, reverse=True):  # what deletes comes last
            answer = await route.call(client, "", other, job=job)
            if "{job_id}" in route.path:
                assert_problem(answer, 404, "job_not_found")
            else:
                assert [each["id"] for each in answer.json()["items"]] == [theirs.json()["id"]]
        ours = await client.get(f"/v1/jobs/{job}", headers=headers)
        assert ours.json()["state"] == "queued"


async def test_lists_hold_the_tenants_own(client: httpx.AsyncClient, sqlite_url: str) -> None:
    keys = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("one", "two")]
    tasks = [await new_task(client, key) for key in keys]
    for key, task in zip(keys, tasks, strict=True):
        page = await client.get("/v1/tasks", headers={"Authorization": f"Bearer {key}"})
        assert [each["id"] for each in page.json()["items"]] == [task]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"])
async def test_what_is_open(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


async def test_the_document_names_the_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for route in await routes(client):
        operation = document["paths"][route.path][route.method]
        assert operation["security"] == [{"key": []}] and {"401", "403"} <= operation["responses"].keys()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
