"""A TCP proxy in front of a server: it can delay what passes, fall silent, cut what is open, and refuse."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

Dial: TypeAlias = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
CHUNK_BYTES = 2**16


class Proxy:
    """What stands between a client and a server, and what it does to their bytes from now on."""

    def __init__(self, dial: Dial, group: asyncio.TaskGroup) -> None:
        self._dial = dial
        self._group = group
        self._pairs: set[asyncio.StreamWriter] = set()
        self._is_heard = asyncio.Event()
        self._is_heard.set()
        self._is_open = True
        self.delay_s = 0.0  # of each answer of the server
        self.num_connections = 0

    def cut(self) -> None:
        """Drop every connection, on both sides, wherever it is."""
        for writer in list(self._pairs):
            writer.transport.abort()

    def refuse(self) -> None:
        """Drop every connection and each new one at once."""
        self._is_open = False
        self.cut()

    def hold(self) -> None:
        """Fall silent: take what comes and pass nothing on, as a network does that loses everything."""
        self._is_heard.clear()

    def slow_down(self, delay_s: float) -> None:
        """Each answer of the server comes so much later."""
        self.delay_s = delay_s

    def mend(self) -> None:
        """Pass everything on again, what was held too."""
        self.delay_s, self._is_open = 0.0, True
        self._is_heard.set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new client."""
        self.num_connections += 1
        self._group.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            writer.transport.abort()
            return
        try:
            own_reader, own_writer = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, own_writer}
        self._pairs |= pair
        await asyncio.gather(self._pass_on(reader, own_writer), self._pass_on(own_reader, writer, is_answer=True))
        self._pairs -= pair
        for each in pair:
            each.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._is_heard.wait()
                if is_answer and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        await self._is_heard.wait()
        writer.close()


@asynccontextmanager
async def proxied(dial: Dial) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy in front of what is dialled, and its port."""
    async with asyncio.TaskGroup() as group:
        proxy = Proxy(dial, group)
        server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
        try:
            yield proxy, server.sockets[0].getsockname()[1]
        finally:
            server.close()
            proxy.mend()
            proxy.cut()
