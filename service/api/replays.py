"""Idempotency-Key: a request that is sent again gets its first answer, and has no second effect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import TypeAdapter, ValidationError

from service.api.deps import Service, media_type, service_of, tenant_of
from service.api.forms import FORM, boundary_of, canonical, max_parts
from service.errors import InvalidForm, InvalidRequest, KshotError
from service.fields import field_errors
from service.once import Once, completed, fingerprint, first_answer
from service.settings import Settings
from service.storage.requests import StoredAnswer

KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
HEADERS: dict[str, Any] = {
    REPLAYED: {"description": "`true` if this answer was given before.", "schema": {"type": "string"}}
}

KeyHeader = Annotated[
    str | None,
    Header(
        alias=KEY,
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Chosen by the client, new for each request; the same request sent again under it is not done "
        "again, but gets the first answer.",
    ),
]

_KEY: TypeAdapter[str | None] = TypeAdapter(KeyHeader)


class Replay(Exception):
    """This request has been answered before, so."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer


async def once_key(request: Request, key: KeyHeader = None) -> AsyncIterator[Once | None]:
    """What makes this request happen once, if its client asked for that. Raises Replay if it has happened."""
    if key is None:
        yield None
        return
    service, tenant = service_of(request), tenant_of(request)
    target = f"{request.url.path}?{request.url.query}"
    once = Once(key, fingerprint(request.method, target, await _content(request, service.settings)))
    await _replay(service, tenant, once)
    try:
        yield once
    except KshotError:  # perhaps only because the same request, sent twice at once, got there first
        await _replay(service, tenant, once)
        raise


taking_effect_once = asynccontextmanager(once_key)  # for a route that solves no dependencies


def sent_key(request: Request) -> str | None:
    """The key, for such a route. Raises InvalidRequest."""
    key = request.headers.get(KEY)
    if key is None:
        return None
    try:
        return _KEY.validate_python(key)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest.at([replace(each, path=f"header.{KEY}") for each in field_errors(found)]) from None


async def _content(request: Request, settings: Settings) -> bytes:
    """The body, without what differs between two sendings of one form. Raises BodyTooLarge."""
    body = await request.body()
    if media_type(request) != FORM:
        return body
    try:
        boundary = boundary_of(request.headers["content-type"])
    except InvalidForm:  # which the routes that take forms will say
        return body
    return canonical(body, boundary, max_parts(settings))


async def _replay(service: Service, tenant: str, once: Once) -> None:
    ttl = timedelta(seconds=service.settings.idempotency_ttl_s)
    answer = await first_answer(service.database, tenant, once, ttl)
    if answer is not None:
        raise Replay(answer)


async def on_replay(request: Request, replay: Replay) -> Response:
    """The first answer, marked as such."""
    headers = dict(replay.answer.headers) | {REPLAYED: "true"}
    if (location := headers.get("Location")) is not None:
        headers["Location"] = request.scope.get("root_path", "") + location
    return Response(completed(replay.answer.body), replay.answer.status, headers)


OnceKey = Annotated[Once | None, Depends(once_key)]
