"""A small proxy before replicas: each connection goes to one that is ready; what refuses one is passed over."""

import asyncio
from collections.abc import AsyncIterator, Iterator
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

    def remove(self, url: str) -> None:
        """One that is gone."""
        self.replicas.remove(url)

    async def watch(self) -> None:
        """Ask each replica now and then whether it is ready."""
        async with httpx.AsyncClient(timeout=2, verify=False) as http:
            while True:
                for url in list(self.replicas):
                    with suppress(httpx.TransportError):
                        is_ready = (await http.get(f"{url}/readyz")).status_code == 200
                        (self._ready.add if is_ready else self._ready.discard)(url)
                await asyncio.sleep(LOOK_EVERY_S)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new client."""
        self._group.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for url in self._by_turns():
            try:
                own_reader, own_writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"))
            except OSError:
                self._ready.discard(url)
                continue
            ways = ((reader, own_writer), (own_reader, writer))
            await asyncio.gather(*(_pass_on(*way) for way in ways))
            own_writer.transport.abort()
            break
        writer.transport.abort()

    def _by_turns(self) -> Iterator[str]:
        """Those that are ready, another one first each time; the others after them."""
        self._num_connections += 1
        first = self._num_connections % max(1, len(self.replicas))
        turns = self.replicas[first:] + self.replicas[:first]
        yield from sorted(turns, key=lambda url: url not in self._ready)


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
