"""Dependencies are cheap: FastAPI calls plain functions in a thread, and solves what they depend on again and again.

And a body that they parse is counted with what that takes.
"""

import asyncio
from collections.abc import AsyncIterator
from inspect import isasyncgenfunction, iscoroutinefunction

import pytest
from fastapi.routing import APIRoute

from service.api import adaptations, evaluations, files, jobs, limits, models, predictions, support, tasks, versions
from service.api.deps import authenticate
from tests.service.api.serving import JSON, assert_problem, input_dim, serving, vectors

ROUTERS = (tasks, adaptations, support, versions, files, predictions, evaluations, jobs, models, limits)
ROUTES = [route for each in ROUTERS for route in each.router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_no_thread_and_no_tree(route: APIRoute) -> None:
    for dependency in route.dependant.dependencies:
        call = dependency.call
        assert iscoroutinefunction(call) or isasyncgenfunction(call), call
        assert not dependency.dependencies, f"{call} depends on others; take them from the request"


def test_keys_are_looked_up_without_a_thread() -> None:
    assert iscoroutinefunction(authenticate)


async def test_a_body_of_many_numbers_waits_for_room_to_parse_them(sqlite_url: str) -> None:
    came, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        came.set()
        await may_end.wait()
        yield b"{}"

    async with serving(sqlite_url, "vectors", max_in_flight_mib=1, max_body_mib=1) as client:
        dim = await input_dim(client)
        task = (await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})).json()["id"]
        path, asked = (
            f"/v1/tasks/{task}/predictions",
            {"inputs": [[0] * dim] * (16_000 // dim)},
        )  # 48 kB; 1.2 MiB when parsed
        other = asyncio.create_task(client.post("/v1/tasks", content=slow(), headers=JSON))
        await came.wait()
        assert_problem(await client.post(path, json=asked), 429, "overloaded")
        assert (await client.post(path, json={"inputs": [[0] * dim]})).status_code == 200
        may_end.set()
        assert_problem(await other, 422, "invalid_request")
        assert (await client.post(path, json=asked)).status_code == 200  # alone it may take more
