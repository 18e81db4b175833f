"""What only the async client can do wrong: hold up the event loop, or not let go."""

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from service.app import create_app
from service.client import AsyncClient
from service.settings import Settings


class Row(list[float]):
    """A vector that remembers which thread read it."""

    def __init__(self) -> None:
        super().__init__([0.5])
        self.reader: threading.Thread | None = None

    def __iter__(self) -> Iterator[float]:
        self.reader = threading.current_thread()
        return super().__iter__()


async def test_inputs_are_made_ready_away_from_the_event_loop() -> None:
    async with AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(404))) as kshot:
        row = Row()
        with pytest.raises(Exception, match="404"):
            await kshot.predict("t", [row])
    assert row.reader not in (None, threading.current_thread())


async def test_a_call_can_be_cancelled() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with AsyncClient(transport=httpx.MockTransport(never)) as kshot:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await kshot.limits()


async def test_many_calls_at_once_in_the_same_process(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",)))
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://kshot", transport=httpx.ASGITransport(app)) as kshot,
    ):
        tasks = await asyncio.gather(
            *(kshot.adapt("curves", [[-1.0], [1.0]], targets=[slope, -slope]) for slope in range(8))
        )
        assert {task.id async for task in kshot.tasks()} == {task.id for task in tasks}
        await asyncio.gather(*(kshot.extend(tasks[0], [[x / 2]], targets=[x]) for x in range(8)))
        assert len([example async for example in kshot.support(tasks[0])]) == 10
