"""Paths, and requests with their bodies and headers."""

from collections.abc import Callable, Mapping
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel

from service.client.steps import Request
from service.errors import FieldError, InvalidRequest
from service.schemas import Task

JSON = "application/json"


def at(*parts: Task | str) -> str:
    """The path below /v1 of these names; a task stands for its id."""
    names = [part if isinstance(part, str) else part.id for part in parts]
    for name in names:
        if name in ("", ".", ".."):  # these would lead to another path: DELETE .../support/.. to the task itself
            raise InvalidRequest.at([FieldError("path", f"{name!r} is not an id or a name")])
    return "/".join(["/v1", *(quote(name, safe="") for name in names)])


def request_of(
    method: str,
    path: str,
    payload: BaseModel | bytes | None = None,
    *,
    query: Mapping[str, object] | None = None,
    if_match: int | None = None,
    headers: Mapping[str, str] | None = None,
    wanted: Callable[[str], bool] | None = None,
) -> Request:
    """A request; what is None in the query is left out, and so is what was not set in the payload."""
    body = payload.model_dump_json(exclude_unset=True).encode() if isinstance(payload, BaseModel) else payload
    found = {
        "Content-Type": JSON if isinstance(payload, BaseModel) else None,
        "If-Match": None if if_match is None else f'"{if_match}"',
    }
    return Request(
        method,
        path,
        {name: str(value) for name, value in (query or {}).items() if value is not None},
        {name: value for name, value in found.items() if value is not None} | dict(headers or {}),
        body,
        wanted,
    )


def key_header(given: str | None) -> dict[str, str]:
    """The idempotency key of a write: the caller's, else a new one."""
    return {"Idempotency-Key": given or uuid4().hex}
