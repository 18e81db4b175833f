"""One test body for both clients: calls are awaited if they can be, and items of either kind of iterator collected."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from service.client import AsyncClient, Client

Make: TypeAlias = Callable[..., Any]  # makes a client of either kind

KINDS: dict[str, Make] = {"Client": Client, "AsyncClient": AsyncClient}


async def told(answer: Any) -> Any:
    """What a call answers."""
    return await answer if inspect.isawaitable(answer) else answer


async def all_of(items: Any) -> list[Any]:
    """What an iterator of either kind yields."""
    return [item async for item in items] if hasattr(items, "__aiter__") else list(items)


@asynccontextmanager
async def opened(make: Make, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
    """A client of either kind, closed at the end."""
    client = make(*arguments, **options)
    try:
        yield client
    finally:
        await told(client.close() if hasattr(client, "close") else client.aclose())


class Script:
    """A transport that gives these answers, one after another."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)  # each is read once

    @property
    def transport(self) -> httpx.MockTransport:
        """For either client."""
        return httpx.MockTransport(self)


def refusal(status: int, code: str, retry_after: str | None = "0", **more: Any) -> httpx.Response:
    """An error as the service tells it."""
    problem = {"type": "t", "title": "t", "status": status, "detail": "why", "code": code, "errors": []} | more
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=problem, headers=headers)
