"""A small proxy before replicas: each connection goes to one that was ready when it was last asked, or is cut.

It forgives nothing: what a replica refuses, the client loses.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx

CHUNK_BYTES = 2**16
LOOK_EVERY_S = 0.1


class Balancer:
    """The replicas, by their addresses, and which of them were ready when they were last asked."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.replicas: list[str] = []
        self._ready: set[str] = set()
        self._group = group
        self._num_connections = 0

    def add(self, url: str) -> None:
        """A replica that is ready."""
        self.replicas.append(url)
        self._ready.add(url)

    def remove(self, url: str) -> None:
        """One that is gone."""
        self.replicas.remove(url)

    async def watch(self) -> None:
        """Ask each replica now and then whether it is ready."""
        async with httpx.AsyncClient(timeout=2, verify=False) as http:
            while True:
                for url in list(self.replicas):
                    with suppress(httpx.TimeoutException):  # it says nothing of either
                        (self._ready.add if await _is_ready(http, url) else self._ready.discard)(url)
                await asyncio.sleep(LOOK_EVERY_S)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new client."""
        self._group.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (url := self._next()) is not None:
            try:
                own_reader, own_writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"))
            except OSError:
                self._ready.discard(url)
            else:
                ways = ((reader, own_writer), (own_reader, writer))
                await asyncio.gather(*(_pass_on(*way) for way in ways))
                own_writer.transport.abort()
        writer.transport.abort()

    def _next(self) -> str | None:
        """One of those that are ready, another each time."""
        self._num_connections += 1
        ready = [url for url in self.replicas if url in self._ready]
        return ready[self._num_connections % len(ready)] if ready else None


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx.TimeoutException:
        raise
    except httpx.TransportError:
        return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@asynccontextmanager
async def balancing() -> AsyncIterator[tuple[Balancer, str]]:
    """A balancer without replicas so far, and where it listens."""
    async with asyncio.TaskGroup() as group:
        balancer = Balancer(group)
        server = await asyncio.start_server(balancer.take, "127.0.0.1", 0)
        watching = group.create_task(balancer.watch())
        try:
            yield balancer, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            watching.cancel()
