"""What one tenant teaches its tasks changes no other tenant's: not their weights, not their answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.api.serving import input_dim, serving, vectors
from tests.service.samples import make_key


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(sqlite_url, "vectors", auth="on") as client:
        yield client


async def headers(url: str, tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await make_key(url, 'admin', tenant=tenant)}"}


def poisoned(dim: int, seed: int) -> list[dict[str, Any]]:
    """The same inputs under every label, numbers as large as may be sent, and labels that another tenant has too."""
    rng = np.random.default_rng(seed)
    rows = [*rng.normal(0, 10.0 ** rng.uniform(0, 14), (6, dim)).tolist(), *[row["input"] for row in vectors(dim)]]
    return [{"input": row, "label": label} for row in rows for label in "ab"]


async def seen(client: httpx.AsyncClient, task: str, dim: int, key: dict[str, str]) -> tuple[bytes, Any]:
    """All that can be seen of a task: its weights, and answers without their timing."""
    queries = {"inputs": [row["input"] for row in vectors(dim, shots=5)]}
    weights = (await client.get(f"/v1/tasks/{task}/weights", headers=key)).content
    answers = (await client.post(f"/v1/tasks/{task}/predictions", json=queries, headers=key)).json()
    return weights, answers["predictions"]


async def test_a_poisoned_task_changes_no_other(client: httpx.AsyncClient, sqlite_url: str) -> None:
    victim, attacker = await headers(sqlite_url, "victim"), await headers(sqlite_url, "attacker")
    dim = await _dim(client, victim)
    body = {"model": "vectors", "support": vectors(dim)}
    alone = (await client.post("/v1/tasks", json=body, headers=victim)).json()["id"]
    before = await seen(client, alone, dim, victim)

    bad = [{"model": "vectors", "support": poisoned(dim, seed)} for seed in range(4)]
    beside, *told = await asyncio.gather(
        client.post("/v1/tasks", json=body, headers=victim),
        *(client.post("/v1/tasks", json=each, headers=attacker) for each in bad),
    )
    assert {answer.status_code for answer in told} <= {201, 422, 503}  # made, refused, or without finite numbers
    assert 201 in {answer.status_code for answer in told}
    assert await seen(client, alone, dim, victim) == before

    _, answers = await seen(client, beside.json()["id"], dim, victim)
    for answer, first in zip(answers, before[1], strict=True):
        assert answer["scores"] == pytest.approx(first["scores"], abs=1e-5)


async def _dim(client: httpx.AsyncClient, key: dict[str, str]) -> int:
    client.headers.update(key)
    try:
        return await input_dim(client)
    finally:
        del client.headers["Authorization"]
