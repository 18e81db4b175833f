"""Jobs, asked for over HTTP."""

import asyncio
from typing import Any

import httpx

from tests.service.api.serving import curve
from tests.service.tasks.life import Life

ASYNC = {"Prefer": "respond-async"}
TASK: dict[str, Any] = {"model": "curves", "name": "later", "support": curve()}


async def ask(life: Life, body: object = TASK, path: str = "/v1/tasks", **headers: str) -> httpx.Response:
    """The answer to a request that would rather be a job."""
    return await life.client.post(path, json=body, headers=ASYNC | headers)


async def accepted(life: Life, body: object = TASK, path: str = "/v1/tasks", **headers: str) -> dict[str, Any]:
    """The job that the request became."""
    answer = await ask(life, body, path, **headers)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def get(life: Life, job: dict[str, Any]) -> dict[str, Any]:
    """The job as it is now."""
    return dict((await life.client.get(f"/v1/jobs/{job['id']}")).json())


async def until(life: Life, job: dict[str, Any], *states: str) -> dict[str, Any]:
    """The job when it is in one of these states."""
    async with asyncio.timeout(60):
        while (found := await get(life, job))["state"] not in states:
            await asyncio.sleep(0.01)
    return found
