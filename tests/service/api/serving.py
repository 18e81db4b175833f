"""The real app in this process, spoken to over ASGI; and what its small models take."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests.service.codec.pictures import saved, stroke

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def serving(database_url: str, *only: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a started service, without authentication unless it is asked for; with all models or `only` some."""
    options = {"auth": "off", "only_models": only or None, **settings}
    app = create_app(Settings(database_url=database_url, threads=1, **options))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app; what the app raises reaches the test."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kshot") as client:
        yield client


async def input_dim(client: httpx.AsyncClient) -> int:
    """Of the model `vectors`."""
    return int((await client.get("/v1/models/vectors")).json()["input_dim"])


def vectors(dim: int, ways: str = "ab", shots: int = 3) -> list[dict[str, Any]]:
    """A support set of separable vectors."""
    rng = np.random.default_rng(0)
    return [
        {"input": rng.normal(way, 0.1, dim).round(3).tolist(), "label": label}
        for way, label in enumerate(ways)
        for _ in range(shots)
    ]


def curve(num_points: int = 6) -> list[dict[str, Any]]:
    """A support set of points on a line."""
    return [{"input": [x], "target": 2 * x + 1} for x in np.linspace(-3, 3, num_points).tolist()]


def picture(data: bytes | None = None) -> dict[str, str]:
    """An image as it goes over the wire."""
    return {"image": base64.b64encode(saved(stroke()) if data is None else data).decode()}


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """It is a well-made problem+json of this status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem.keys() == {"type", "title", "status", "detail", "code", "errors"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"] and len(problem["errors"]) <= 20
    assert all(error.keys() == {"path", "message"} for error in problem["errors"])
    return problem
