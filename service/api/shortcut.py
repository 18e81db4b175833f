"""The short way to the routes that are asked most, past the router: docs/decisions/0019-a-shortcut.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.paths import route_path


class Shortcut:
    """ASGI middleware, the innermost: calls the routes of routers that have but one each, if one is what is asked for.

    `handlers` are the app's, of exceptions.
    """

    def __init__(self, app: ASGIApp, *, routers: Sequence[APIRouter], handlers: Mapping[Any, Any]) -> None:
        self._app = app
        self._handlers = handlers
        self._handled = tuple(handlers)
        self._routes = [_only_route(router) for router in routers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on to the router."""
        if scope["type"] == "http":
            path = route_path(scope)
            for route in self._routes:
                found = route.path_regex.match(path)
                if found is not None and scope["method"] in (route.methods or ()):
                    await self._serve(route, found.groupdict(), scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _serve(
        self, route: APIRoute, named: Mapping[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["route"] = route
        request = Asked(scope, receive)
        try:
            response = await route.endpoint(request, **named)
        except self._handled as error:
            handle = next(self._handlers[each] for each in type(error).__mro__ if each in self._handlers)
            response = await handle(request, error)
        await response(scope, receive, send)


class Asked(Request):
    """A request whose body is read without an asynchronous generator, which costs more than the reading."""

    async def body(self) -> bytes:
        """All of it. Raises ClientDisconnect."""
        if not hasattr(self, "_body"):
            parts, has_more = list[bytes](), True
            while has_more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                has_more = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body


def _only_route(router: APIRouter) -> APIRoute:
    """Raises TypeError where to call an endpoint alone would leave out what may be authentication."""
    match router.routes:
        case [APIRoute() as route] if not route.dependant.dependencies:
            return route
    raise TypeError("A shortcut is to a router of one route that depends on nothing: only FastAPI solves dependencies.")
