"""Idempotency-Key: the same request has one effect and one answer, whatever happens between its sendings."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.service.api.serving import JSON, assert_problem, curve, serving
from tests.service.samples import make_key

BODY: dict[str, Any] = {"model": "curves", "name": "é", "support": curve()}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(database_url, "curves") as client:
        yield client


async def post(client: httpx.AsyncClient, key: str, body: object = BODY, **headers: str) -> httpx.Response:
    return await client.post("/v1/tasks", json=body, headers={"Idempotency-Key": key} | headers)


async def count(client: httpx.AsyncClient) -> int:
    return len((await client.get("/v1/tasks")).json()["items"])


def told(answer: httpx.Response) -> tuple[object, ...]:
    """What a client can tell two answers apart by."""
    return answer.status_code, answer.content, *(answer.headers[name] for name in ("content-type", "etag", "location"))


async def test_the_first_answer_again(client: httpx.AsyncClient) -> None:
    first, again, other = [await post(client, key) for key in ("one", "one", "two")]
    assert first.status_code == 201 and "idempotency-replayed" not in first.headers
    assert told(again) == told(first) and again.headers["idempotency-replayed"] == "true"
    assert other.json()["id"] != first.json()["id"] and await count(client) == 2
    assert (await client.get(again.headers["location"])).json()["id"] == first.json()["id"]


async def test_at_once(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(post(client, "one") for _ in range(12)))
    assert len({told(answer) for answer in answers}) == 1 and answers[0].status_code == 201
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count(client) == 1


async def test_another_request_under_the_key(client: httpx.AsyncClient) -> None:
    await post(client, "one")
    for body in (BODY | {"name": "other"}, {}):
        assert_problem(await post(client, "one", body), 422, "idempotency_key_reused")
    racing = await asyncio.gather(*(post(client, "two", BODY | {"name": str(number)}) for number in range(4)))
    assert sorted(answer.status_code for answer in racing) == [201, 422, 422, 422]
    assert await count(client) == 2


async def test_an_error_is_not_kept(client: httpx.AsyncClient) -> None:
    assert_problem(await post(client, "one", BODY | {"model": "none"}), 404, "model_not_found")
    broken = await client.post("/v1/tasks", content=b"{", headers=JSON | {"Idempotency-Key": "one"})
    assert_problem(broken, 400, "invalid_json")
    answer = await post(client, "one")
    assert answer.status_code == 201 and "idempotency-replayed" not in answer.headers


async def test_a_deleted_task_stays_deleted(client: httpx.AsyncClient) -> None:
    first = await post(client, "one")
    await client.delete(first.headers["location"])
    assert_problem(await post(client, "one"), 404, "task_not_found")
    assert await count(client) == 0


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "schlüssel"])
async def test_what_is_not_a_key(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/tasks", json=BODY, headers=[(b"Idempotency-Key", key.encode())])
    problem = assert_problem(answer, 422, "invalid_request")
    assert [error["path"] for error in problem["errors"]] == ["header.Idempotency-Key"]
    assert await count(client) == 0


async def test_an_answer_expires(database_url: str) -> None:
    async with serving(database_url, "curves", idempotency_ttl_s=1e-6) as client:
        ids = [(await post(client, "one")).json()["id"] for _ in range(3)]
        assert len(set(ids)) == 3


async def test_keys_are_of_a_tenant(database_url: str) -> None:
    tokens = [await make_key(database_url, "admin", tenant=tenant) for tenant in ("a", "b")]
    async with serving(database_url, "curves", auth="on") as client:
        answers = [await post(client, "one", Authorization=f"Bearer {token}") for token in tokens]
        again = [await post(client, "one", Authorization=f"Bearer {token}") for token in tokens]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert [told(answer) for answer in answers] == [told(answer) for answer in again]


async def test_below_a_proxys_path(sqlite_url: str) -> None:
    async with serving(sqlite_url, "curves") as client:
        app = client._transport.app  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(app, root_path="/kshot")
        async with httpx.AsyncClient(transport=transport, base_url="http://kshot/kshot") as proxied:
            first, again = [await post(proxied, "one") for _ in range(2)]
    assert first.headers["location"].startswith("/kshot/v1/tasks/") and told(again) == told(first)


@pytest.mark.parametrize(
    ("tail", "body"),
    [("/support", {"support": [{"input": [4.5], "target": 1.0, "id": "new"}]}), ("/rollback", {"version": 1})],
)
async def test_what_changes_a_task(client: httpx.AsyncClient, tail: str, body: object) -> None:
    task = (await post(client, "made")).headers["location"]
    headers = {"Idempotency-Key": "one", "If-Match": '"1"'}  # which no longer holds when it is sent again
    first, again = [await client.post(task + tail, json=body, headers=headers) for _ in range(2)]
    assert first.is_success and (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["etag"] == first.headers["etag"] == '"2"'
    assert again.headers["idempotency-replayed"] == "true"
    headers["Idempotency-Key"] = "two"
    del headers["If-Match"]
    racing = await asyncio.gather(*(client.post(task + tail, json=body, headers=headers) for _ in range(6)))
    assert len({(answer.status_code, answer.content) for answer in racing}) == 1
    assert (await client.get(task)).json()["version"] == (2 if tail == "/support" else 3)
