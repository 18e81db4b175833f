"""What a prediction costs before and after the engine: `python -m benchmarks.path`, beside a FastAPI echo of its body.

In one process, without sockets and with an engine that answers at once: what is left is what the service itself does.
CPU time is that of the event loop's thread, in the best of several windows; calls of functions can be told where a
machine is too busy to tell times, but do not weigh what they call.
"""

import asyncio
import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from cProfile import Profile
from functools import partial
from pathlib import Path
from pstats import Stats
from time import thread_time
from typing import Any, TypeAlias

import httpx
import numpy as np
import typer
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.asked import adaptation, vectors
from benchmarks.fairness import made_key
from benchmarks.page import command, put, table
from benchmarks.serving.echo import app as echo
from benchmarks.wire import Messages, request, status_of
from service import logs
from service.api.entrance import Entrance
from service.api.turnstile import Turnstile
from service.app import create_app
from service.process import OBJECTS_A_COLLECTION
from service.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
MAX_WAIT_MS = 60_000  # nobody is refused at the door
AFTER_S = 0.5  # in which the last answers come
MODEL, NUM_CLIENTS, NUM_WINDOWS = "vectors", 32, 10
HEAD = ("", "CPU us", "of the echo's", "calls of functions", "of the echo's")

Connect: TypeAlias = Callable[[], asyncio.Protocol]
Cost: TypeAlias = tuple[float, float]  # CPU us and calls a request


class Client(asyncio.Transport):
    """One end of a connection without a wire, which asks again when it is answered."""

    def __init__(self, asked: bytes, connect: Connect) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.num_answered = 0
        self.is_asking = True
        self._asked = asked
        self._messages = Messages()
        self._protocol = connect()
        self._protocol.connection_made(self)

    def ask(self) -> None:
        """Send the request, unless it is over."""
        if self.is_asking:
            self._protocol.data_received(self._asked)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a part of an answer."""
        for message in self._messages.whole(bytes(data)):
            assert status_of(message) == 200, message
            self.num_answered += 1
            asyncio.get_running_loop().call_soon(self.ask)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """There is nothing to close."""


async def cost(connect: Connect, asked: bytes, seconds: float) -> Cost:
    """What a request costs where so many clients ask again and again."""
    clients = [Client(asked, connect) for _ in range(NUM_CLIENTS)]
    for client in clients:
        client.ask()
    windows = [await _window(clients, seconds / NUM_WINDOWS) for _ in range(NUM_WINDOWS)]
    profile, before = Profile(), _num_answered(clients)
    profile.enable()
    await asyncio.sleep(seconds / NUM_WINDOWS)
    profile.disable()
    num_profiled = _num_answered(clients) - before
    for client in clients:
        client.is_asking = False
    await asyncio.sleep(AFTER_S)
    num_calls = getattr(Stats(profile), "total_calls")  # noqa: B009 - which its stubs leave out
    return 1e6 * min(windows), num_calls / max(1, num_profiled)


async def _window(clients: Sequence[Client], seconds: float) -> float:
    before, began_s = _num_answered(clients), thread_time()
    await asyncio.sleep(seconds)
    return (thread_time() - began_s) / max(1, _num_answered(clients) - before)


def _num_answered(clients: Sequence[Client]) -> int:
    return sum(client.num_answered for client in clients)


def _connecting(app: Any, make: Callable[..., HttpToolsProtocol]) -> Connect:
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    config.load()
    return partial(make, config=config, server_state=ServerState(), app_state={})


async def _of_echo(seconds: float) -> Cost:
    return await cost(_connecting(echo, HttpToolsProtocol), _asked("task_0"), seconds)


async def _of_service(folder: str, key: str, seconds: float) -> Cost:
    told = {"auth": "on", "job_workers": 0, "threads": 1, "only_models": (MODEL,), "max_wait_ms": MAX_WAIT_MS}
    settings = Settings.model_validate({"database_url": _url(folder), **told})
    app = create_app(settings)
    refused = app.state.metrics.requests.labels("unknown", "POST", 429)
    async with app.router.lifespan_context(app):
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://kshot", headers=headers
        ) as http:
            task = (await http.post("/v1/tasks", json=adaptation(MODEL, 0))).raise_for_status().json()["id"]
            path, inputs = f"/v1/tasks/{task}/predictions", {"inputs": [vectors(np.random.default_rng(0), 1)]}
            engine, answers = app.state.service.engine, []

            async def note(*arguments: Any) -> Any:
                answers.append(await type(engine).predict(engine, *arguments))
                return answers[0]

            async def at_once(*arguments: Any) -> Any:
                await asyncio.sleep(0)
                return answers[0]

            engine.predict = note
            (await http.post(path, json=inputs)).raise_for_status()
            engine.predict = at_once
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_A_COLLECTION)
        return await cost(
            _connecting(app, partial(Turnstile, app.state.door, Entrance(), app.state.stopping, refused)),
            _asked(task, key),
            seconds,
        )


def _asked(task: str, key: str | None = None) -> bytes:
    return request(f"/v1/tasks/{task}/predictions", {"inputs": [vectors(np.random.default_rng(0), 1)]}, key=key)


def _url(folder: str) -> str:
    return f"sqlite+aiosqlite:///{folder}/kshot.db"


def main(seconds: float = 5.0, *, write: bool = False) -> None:
    """Print what a prediction costs on the event loop's thread, and an echo; write it to docs/performance.md."""
    logs.configure("warning")
    with tempfile.TemporaryDirectory() as folder:
        key = made_key(_url(folder), "measured")
        floor = uvloop.run(_of_echo(seconds))
        found = uvloop.run(_of_service(folder, key, seconds))
    rows = [_row("the echo", floor, floor), _row("the service, but for its engine", found, floor)]
    load = f"`{command('path')}`, {os.cpu_count()} cores at a load of {os.getloadavg()[0]:.1f}"
    text = f"{table(HEAD, rows)}\n\n{load}"
    typer.echo(text)
    if write:
        put(PAGE, "path", text)


def _row(name: str, found: Cost, floor: Cost) -> list[str]:
    ratios = [f"{one / other:.2f}" for one, other in zip(found, floor, strict=True)]
    return [name, f"{found[0]:.0f}", ratios[0], f"{found[1]:.0f}", ratios[1]]


if __name__ == "__main__":
    typer.run(main)
