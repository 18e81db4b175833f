"""The short way to the one route that is asked most, past the router: docs/decisions/0019-a-shortcut.md."""

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.paths import route_path
from service.api.problems import refusal
from service.errors import KshotError
from service.metrics import Metrics


class Shortcut:
    """ASGI middleware, the innermost: calls the route of a router that has but one, if it is what is asked for."""

    def __init__(self, app: ASGIApp, *, router: APIRouter, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._route = _only_route(router)
        self._methods = self._route.methods or set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on to the router."""
        found = self._route.path_regex.match(route_path(scope)) if scope["type"] == "http" else None
        if found is None or scope["method"] not in self._methods:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        try:
            response = await self._route.endpoint(Request(scope, receive), **found.groupdict())
        except KshotError as error:
            response = refusal(error, self._metrics)
        await response(scope, receive, send)


def _only_route(router: APIRouter) -> APIRoute:
    """Raises TypeError where to call an endpoint alone would leave out what may be authentication."""
    match router.routes:
        case [APIRoute() as route] if not route.dependant.dependencies:
            return route
    raise TypeError("A shortcut is to a router of one route that depends on nothing: only FastAPI solves dependencies.")
