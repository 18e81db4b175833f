"""HTTP/1.1 as both ends of a measurement speak it: requests made beforehand, and whole messages cut from a stream."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
END_OF_HEAD, END_OF_CHUNKS = b"\r\n\r\n", b"\r\n0\r\n\r\n"


def request(
    path: str,
    payload: Any = None,
    *,
    method: str = "POST",
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a request, with JSON for a body unless there is none."""
    body = b"" if payload is None else json.dumps(payload, separators=(",", ":")).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: measured", f"Content-Length: {len(body)}"]
    head += ["Content-Type: application/json"] if body else []
    head += [f"Authorization: Bearer {key}"] if key else []
    head += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(head).encode() + END_OF_HEAD + body


def response(status_line: str, body: bytes, *headers: str) -> bytes:
    """The bytes of an answer."""
    head = [f"HTTP/1.1 {status_line}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + END_OF_HEAD + body


def status_of(answer: bytes) -> int:
    """The status in the first line of an answer."""
    return int(answer[9:12])


def body_of(message: bytes) -> bytes:
    """What follows the head."""
    return message.partition(END_OF_HEAD)[2]


class Messages:
    """What has arrived of a message, until it is whole."""

    def __init__(self) -> None:
        self._held = b""

    def whole(self, arrived: bytes) -> Iterator[bytes]:
        """The messages that are whole now."""
        held = self._held + arrived if self._held else arrived
        while (end := _end(held)) is not None:
            message, held = held[:end], held[end:]
            yield message
        self._held = held


def _end(held: bytes) -> int | None:
    """Where the first message ends; none before all of it has come."""
    head = held.find(END_OF_HEAD)
    if head < 0:
        return None
    end = head + len(END_OF_HEAD)
    if found := LENGTH.search(held, 0, head):
        end += int(found[1])
    elif CHUNKED.search(held, 0, head):
        last = held.find(END_OF_CHUNKS, head)
        end = last + len(END_OF_CHUNKS) if last >= 0 else len(held) + 1
    return end if end <= len(held) else None
