"""What a tenant may store and send: refused beyond it, shown to it, and no matter to another tenant."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.api import gate
from service.api.gate import Gate
from service.errors import RateLimited, TooManyInFlight
from service.settings import MIB, Settings
from service.storage import usage
from tests.service.api.serving import assert_problem, curve, serving
from tests.service.samples import make_key, opened

TASK: dict[str, Any] = {
    "model": "curves",
    "support": [row | {"id": f"e{number}"} for number, row in enumerate(curve(4))],
}


async def create(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/v1/tasks", json=TASK, headers=headers)


async def quotas(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/v1/limits", headers=headers)).json()["quotas"]
    return found


async def test_a_tenant_stores_as_much_as_it_may_and_another_is_not_concerned(database_url: str) -> None:
    keys = [f"Bearer {await make_key(database_url, 'admin', tenant=tenant)}" for tenant in ("full", "other")]
    async with serving(database_url, "curves", auth="on", max_tenant_tasks=3, max_tenant_examples=13) as client:
        answers = await asyncio.gather(*(create(client, Authorization=keys[0]) for _ in range(9)))
        assert sorted(each.status_code for each in answers) == [201] * 3 + [403] * 6
        for each in answers:
            assert each.is_success or "3 tasks" in assert_problem(each, 403, "quota_exceeded")["detail"]
        assert (await create(client, Authorization=keys[1])).status_code == 201

        client.headers["Authorization"] = keys[0]
        assert (await quotas(client))["tasks"] == {"limit": 3, "used": 3}
        assert (await quotas(client))["examples"] == {"limit": 13, "used": 12}
        task = f"/v1/tasks/{next(each.json()['id'] for each in answers if each.is_success)}"
        more = {"support": [{"input": [0.5], "target": 2.0}]}
        assert (await client.post(f"{task}/support", json=more)).status_code == 201
        assert_problem(await client.post(f"{task}/support", json=more), 403, "quota_exceeded")
        assert (await client.delete(f"{task}/support/e0")).status_code == 200
        assert (await client.post(f"{task}/support", json=more)).status_code == 201
        assert (await client.patch(task, json={"name": "renamed"})).status_code == 200
        assert_problem(await create(client), 403, "quota_exceeded")
        assert (await client.delete(task)).status_code == 204
        assert (await create(client)).status_code == 201


async def test_a_quota_that_was_lowered_lets_a_tenant_read_and_forget(sqlite_url: str) -> None:
    async with serving(sqlite_url, "curves") as client:
        tasks = [(await create(client)).json()["id"] for _ in range(3)]
    async with serving(sqlite_url, "curves", max_tenant_tasks=1, max_tenant_examples=1) as client:
        assert (await client.post(f"/v1/tasks/{tasks[0]}/predictions", json={"inputs": [[0.5]]})).status_code == 200
        assert (await client.delete(f"/v1/tasks/{tasks[0]}/support/e1")).status_code == 200
        assert_problem(await client.post(f"/v1/tasks/{tasks[0]}/rollback", json={"version": 2}), 403, "quota_exceeded")
        assert (await client.delete(f"/v1/tasks/{tasks[1]}")).status_code == 204


async def test_bytes_are_counted_as_they_are_stored(database_url: str) -> None:
    async with serving(database_url, "curves", max_tenant_mib=1, max_versions=3) as client:
        task = f"/v1/tasks/{(await create(client)).json()['id']}"
        more = {"support": [{"input": [0.5], "target": 2.0}]}
        for _ in range(4):
            assert (await client.post(f"{task}/support", json=more)).status_code == 201
        assert (await client.delete(f"{task}/support/e0")).status_code == 200
        assert (await client.post(f"{task}/rollback", json={"version": 6})).status_code == 200
        shown = await quotas(client)
        assert shown["bytes"]["limit"] == MIB and 0 < shown["bytes"]["used"] < MIB
    async with opened(database_url) as database:
        async with database.read() as session:
            noted = await usage.get_usage(session, "default")
        await database.write(lambda session: usage.measure_task(session, "default", task.rpartition("/")[2]))
        async with database.read() as session:
            assert noted == await usage.get_usage(session, "default")


async def test_requests_a_second_are_limited_and_the_answer_says_when_to_come_back(sqlite_url: str) -> None:
    keys = [f"Bearer {await make_key(sqlite_url, 'admin', tenant=tenant)}" for tenant in ("fast", "other")]
    async with serving(sqlite_url, "curves", auth="on", max_tenant_requests_per_s=0.001, max_tenant_burst=3) as client:
        assert (await quotas(client, Authorization=keys[0]))["requests"] == {"per_s": 0.001, "burst": 3, "available": 2}
        for _ in range(2):
            assert (await client.get("/v1/tasks", headers={"Authorization": keys[0]})).status_code == 200
        refused = await client.get("/v1/tasks", headers={"Authorization": keys[0]})
        assert_problem(refused, 429, "rate_limited")
        assert 900 < int(refused.headers["retry-after"]) <= 1_000
        assert (await client.get("/v1/tasks", headers={"Authorization": keys[1]})).status_code == 200
        shed = (await client.get("/metrics")).text
        assert 'kshot_shed_requests_total{reason="rate_limited"} 1.0' in shed and "fast" not in shed


async def test_requests_in_flight_are_counted_until_they_are_answered(sqlite_url: str) -> None:
    keys = [f"Bearer {await make_key(sqlite_url, 'admin', tenant=tenant)}" for tenant in ("slow", "other")]
    came, may_end = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        came.set()
        await may_end.wait()
        yield b"{}"

    async with serving(sqlite_url, "curves", auth="on", max_tenant_in_flight=1) as client:
        headers = {"Authorization": keys[0], "Content-Type": "application/json"}
        slow = asyncio.create_task(client.post("/v1/tasks", content=body(), headers=headers))
        await came.wait()
        refused = await client.get("/v1/tasks", headers={"Authorization": keys[0]})
        assert_problem(refused, 429, "too_many_in_flight")
        assert refused.headers["retry-after"] == "1"
        assert (await quotas(client, Authorization=keys[1]))["in_flight"] == {"limit": 1, "used": 1}
        may_end.set()
        assert (await slow).status_code == 422
        assert (await quotas(client, Authorization=keys[0]))["in_flight"] == {"limit": 1, "used": 1}


def test_the_bucket_is_refilled_at_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    door = Gate(Settings(auth="on", max_tenant_requests_per_s=4), lambda: now)
    assert (door.burst, door.max_in_flight) == (8, 512)
    for _ in range(8):
        door.enter("a")
    with pytest.raises(RateLimited) as refused:
        door.enter("a")
    assert refused.value.retry_after_s == 0.25
    now = 0.25
    door.enter("a")
    now = 1e6
    assert door.available("a") == 8 and door.in_flight("a") == 9
    for number in range(gate.MAX_KNOWN + 1):  # full buckets are not remembered
        now += 1
        door.enter(str(number))
    assert len(door._buckets) <= gate.MAX_KNOWN


def test_a_request_looks_at_few_buckets_however_many_are_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_KNOWN", 10)
    num_asked, now = 0, 0.0

    def clock() -> float:
        nonlocal num_asked
        num_asked += 1
        return now

    door = Gate(Settings(auth="on", max_tenant_requests_per_s=0.001, max_tenant_burst=5), clock)
    for number in range(100):  # none is refilled meanwhile
        door.enter(str(number))
    num_asked = 0
    for number in range(100):
        door.enter(str(number))
    assert num_asked < 800 and len(door._buckets) == 100
    now = 1e9  # all are full again
    door.enter("new")
    assert len(door._buckets) == 10


def test_without_keys_a_tenant_may_have_all_in_flight() -> None:
    door = Gate(Settings(auth="off"))
    assert door.max_in_flight is None and door.available("default") is None
    door = Gate(Settings(auth="off", max_tenant_in_flight=1))
    door.enter("default")
    with pytest.raises(TooManyInFlight):
        door.enter("default")
    door.leave("default")
    door.enter("default")
