"""The end of a process, as requests see it."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.api.draining import Draining, Open
from service.stopping import Stopping


def test_told_again_the_earlier_moments_are_kept() -> None:
    stopping = Stopping()
    assert not stopping.has_begun
    stopping.begin(unready_s=60, drain_s=5)
    first = stopping.closes_at
    stopping.begin(unready_s=90, drain_s=5)
    assert stopping.closes_at == first and stopping.has_begun
    stopping.begin(unready_s=0, drain_s=5)
    assert stopping.closes_at is not None and first is not None and stopping.closes_at < first - 50
    assert stopping.gives_up_at == stopping.closes_at + 5


async def test_requests_while_the_process_ends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(60)
        await PlainTextResponse("done")(scope, receive, send)

    requests = Open(Stopping())
    transport = httpx.ASGITransport(Draining(app, requests=requests))
    async with httpx.AsyncClient(transport=transport, base_url="http://kshot") as client, requests.watched():
        assert "connection" not in (await client.get("/")).headers
        slow = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(0)
        requests.stopping.begin(unready_s=60, drain_s=60)
        last = await client.get("/")
        assert (last.text, last.headers["connection"]) == ("done", "close")
        assert not slow.done()
        requests.stopping.begin(unready_s=0, drain_s=0)
        late = await slow
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (503, "deadline_exceeded", "1")
    assert not requests.tasks | requests.given_up
