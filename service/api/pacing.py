"""Answers go out as fast as they are taken, and no slower than that: whoever does not read must not hold memory."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

PIECE_BYTES = 64 * 1024
PATIENCE_S = 20.0  # before the first piece must have been taken
LEAST_BYTES_PER_S = 64 * 1024


def paced(send: Send) -> Send:
    """Sends bodies in pieces, each when the connection has room for it. Raises ClientDisconnect in the end.

    A server takes a whole body at once into memory, and the application would have long forgotten it.
    """

    async def send_paced(message: Message) -> None:
        body = message.get("body", b"")
        try:
            async with asyncio.timeout(PATIENCE_S + len(body) / LEAST_BYTES_PER_S):
                for first in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
                    piece = bytes(body[first : first + PIECE_BYTES])  # no view, which would keep all of it
                    await send({"type": message["type"], "body": piece, "more_body": True})
                last = (len(body) - 1) // PIECE_BYTES * PIECE_BYTES if body else 0
                await send({**message, "body": bytes(body[last:])} if last else message)
        except TimeoutError:
            raise ClientDisconnect from None

    return send_paced
