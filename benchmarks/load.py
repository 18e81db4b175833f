"""The load generator: `python -m benchmarks.load` shows how fast it is itself, before an echo, and then a service.

Closed loop: so many clients, each sends its next request when the last is answered; this is how throughput is measured.
Open loop: requests are due at moments drawn beforehand, whatever has been answered; a latency counts from the moment
when its request was due and not from when it could be sent, so that a server that stalls does not hide what it delays
(coordinated omission). Requests are bytes made beforehand, so that the generator costs little on the same cores.
"""

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import numpy as np
import typer
import uvloop

from benchmarks.asked import predictions
from benchmarks.page import command, table
from benchmarks.seen import HEAD, Integers, Measured, Seen, Used
from benchmarks.served import Served, serving
from benchmarks.stub import Stub, serving_stub
from benchmarks.usage import usage_of
from benchmarks.wire import Messages, status_of

NUM_CLIENTS, NUM_OPEN = (1, 8, 32, 128), 256  # connections of closed loops, and of an open one
NUM_DRAWN = 100_000  # requests, before they are repeated
WARM_S = 1.0
LOST = 0  # the status of a request whose connection ended, or that was not answered in time
TIMER_S = 0.001  # the event loop's clock is no finer
MAX_UNSEEN = 64  # requests sent before answers are looked at, also when the generator is behind
PATIENCE_S = 30.0  # for what is still open at the end


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, on_answer: Callable[["Connection", int], None]) -> None:
        self.number: int | None = None  # of the request that is open
        self._on_answer = on_answer
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Requests go this way."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not one by its class

    def data_received(self, data: bytes) -> None:
        """Tell of an answer that is whole."""
        for message in self._messages.whole(data):
            self._on_answer(self, status_of(message))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell of it too: what is open will not be answered."""
        self._on_answer(self, LOST)


class Run:
    """Requests to one address, each sent when it is due and a connection is free; they are repeated in this order."""

    def __init__(self, url: str, requests: Sequence[bytes], order: Integers, num_connections: int) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._requests = requests
        self._order = order.tolist()
        self._num_connections = num_connections
        self._connections: set[Connection] = set()
        self._free: deque[Connection] = deque()
        self._waiting: deque[int] = deque()  # due, but no connection was free
        self._opening: set[asyncio.Task[None]] = set()
        self._asks_until = 0.0  # in a closed loop
        self._is_sent = self._is_over = False
        self._all_answered = asyncio.Event()
        self._num_open = 0
        self._due: list[float] = []
        self._sent: list[float] = []
        self._ended: list[float] = []
        self._status: list[int] = []

    async def open_loop(self, rate_per_s: float, warm_s: float, seconds: float, seed: int = 0) -> Seen:
        """Requests that come one by one at random, so many a second."""
        gaps = np.random.default_rng(seed).exponential(1 / rate_per_s, round(rate_per_s * (warm_s + seconds)))
        await self._connect()
        begun = perf_counter()
        for number, due in enumerate((begun + np.cumsum(gaps)).tolist()):
            await _until(due)
            self._ask(due)
            if not number % MAX_UNSEEN:
                await asyncio.sleep(0)
        return await self._seen(begun + warm_s, seconds)

    async def closed_loop(self, warm_s: float, seconds: float) -> Seen:
        """Every connection always waits for an answer."""
        begun = perf_counter()
        self._asks_until = begun + warm_s + seconds
        await self._connect()
        await asyncio.sleep(self._asks_until - perf_counter())
        return await self._seen(begun + warm_s, seconds)

    async def _connect(self) -> None:
        await asyncio.gather(*(self._open() for _ in range(self._num_connections)))

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self._on_answer), *self._address)
        self._connections.add(connection)
        self._next(connection)

    def _ask(self, due: float) -> None:
        """Send what is due, or let it wait for a connection."""
        number = len(self._due)
        self._due.append(due)
        self._sent.append(inf)
        self._ended.append(inf)
        self._status.append(LOST)
        self._num_open += 1
        if self._free:
            self._send(self._free.popleft(), number)
        else:
            self._waiting.append(number)

    def _send(self, connection: Connection, number: int) -> None:
        connection.number = number
        self._sent[number] = perf_counter()
        connection.transport.write(self._requests[self._order[number % len(self._order)]])

    def _next(self, connection: Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
            return
        self._free.append(connection)
        if (now := perf_counter()) < self._asks_until:
            self._ask(now)

    def _on_answer(self, connection: Connection, status: int) -> None:
        number, connection.number = connection.number, None
        if number is not None:
            self._ended[number], self._status[number] = perf_counter(), status
            self._num_open -= 1
            if self._is_sent and not self._num_open:
                self._all_answered.set()
        if status != LOST:
            self._next(connection)
        elif not self._is_over:
            self._replace(connection)

    def _replace(self, lost: Connection) -> None:
        self._connections.discard(lost)
        if lost in self._free:
            self._free.remove(lost)
        opening = asyncio.get_running_loop().create_task(self._open())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _seen(self, began: float, seconds: float) -> Seen:
        """What was seen once all is answered, or has waited too long."""
        self._is_sent = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), PATIENCE_S if self._num_open else 0)
        self._is_over = True
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in self._connections:
            connection.transport.close()
        await asyncio.sleep(TIMER_S)  # which lets them close
        due, sent, ended = (np.array(each) - began for each in (self._due, self._sent, self._ended))
        return Seen(seconds, due, sent, ended, np.array(self._status))


async def _until(moment: float) -> None:
    while (now := perf_counter()) < moment:  # noqa: ASYNC110 - the event loop's clock is coarse
        await asyncio.sleep(max(TIMER_S, moment - now))


def popular(num_tasks: int, count: int, zipf: float = 0.0, seed: int = 0) -> Integers:
    """Which task each request is about: all alike, or the n-th in proportion to n to the power of minus `zipf`."""
    weights = np.arange(1, num_tasks + 1) ** -zipf
    return np.random.default_rng(seed).choice(num_tasks, count, p=weights / weights.sum())


async def measured(run: Coroutine[Any, Any, Seen], pid: int, warm_s: float, seconds: float) -> Measured:
    """A run against the server of this process."""
    seen, server, generator = await asyncio.gather(
        run, _used(pid, warm_s, seconds, alone=False), _used(os.getpid(), warm_s, seconds, alone=True)
    )
    return Measured(seen, server, generator)


async def _used(pid: int, warm_s: float, seconds: float, *, alone: bool) -> Used:
    await asyncio.sleep(warm_s)
    before = usage_of(pid, alone=alone)
    await asyncio.sleep(seconds)
    return Used(before, usage_of(pid, alone=alone))


def main(
    model: str = "vectors",
    tasks: int = 64,
    zipf: float = 0.0,
    rate: Annotated[float, typer.Option(help="Requests a second of an open loop beside the closed ones.")] = 0.0,
    seconds: float = 5.0,
) -> None:
    """Print what clients in closed loops, and an open one, see of an echo and of a service."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        echo = stack.enter_context(serving_stub("echo"))
        served = stack.enter_context(serving(Path(folder), f"sqlite+aiosqlite:///{folder}/kshot.db"))
        requests, order = predictions(served.url, model, tasks), popular(tasks, NUM_DRAWN, zipf)
        rows = [
            uvloop.run(_measured(server, requests, order, clients, rate, seconds)).row(f"{name}, {told}")
            for name, server in (("an echo", echo), (f"`{model}`", served))
            for clients, told in _loops(rate)
        ]
    print(f"`{command('load')}`, {os.cpu_count()} cores at a load of {os.getloadavg()[0]:.1f}\n\n{table(HEAD, rows)}")


def _loops(rate: float) -> list[tuple[int, str]]:
    closed = [(clients, f"{clients} clients") for clients in NUM_CLIENTS]
    return [*closed, (0, f"{rate:g}/s")] if rate else closed


async def _measured(
    server: Served | Stub, requests: Sequence[bytes], order: Integers, clients: int, rate: float, seconds: float
) -> Measured:
    run = Run(server.url, requests, order, clients or NUM_OPEN)
    loop = run.closed_loop(WARM_S, seconds) if clients else run.open_loop(rate, WARM_S, seconds)
    return await measured(loop, server.pid, WARM_S, seconds)


if __name__ == "__main__":
    typer.run(main)
