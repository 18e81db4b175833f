"""Answers go out as fast as they are taken, and no slower than that: whoever does not read must not hold memory."""

from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from service.timeouts import limited

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
            sending = send(message) if len(body) <= PIECE_BYTES else _send_pieces(send, message, body)
            await limited(PATIENCE_S + len(body) / LEAST_BYTES_PER_S, sending)
        except TimeoutError:
            raise ClientDisconnect from None

    return send_paced


async def _send_pieces(send: Send, message: Message, body: bytes) -> None:
    for first in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
        piece = bytes(body[first : first + PIECE_BYTES])  # no view, which would keep all of it
        await send({"type": message["type"], "body": piece, "more_body": True})
    await send({**message, "body": bytes(body[(len(body) - 1) // PIECE_BYTES * PIECE_BYTES :])})
