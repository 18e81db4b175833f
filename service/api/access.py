"""The outermost layer: gives each request an id, counts it, logs it, and answers what nobody expected."""

import logging
import re
from random import getrandbits
from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs
from service.api.paths import header
from service.api.problems import answer
from service.errors import InternalError
from service.metrics import Metrics
from service.tracing import CURRENT, Trace, Tracing

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
NAME = HEADER.lower().encode()  # as ASGI has it
VALID_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds: logged only when debugging
CLIENT_LEFT = 499  # as nginx writes it; never sent
OFF = Tracing()


class Access:
    """ASGI middleware round everything else."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tracing: Tracing = OFF) -> None:
        self._app = app
        self._tracing = tracing
        self._metrics = metrics
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # looked up once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; no exception leaves."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _request_id(scope)
        token = logs.begin(request_id=request_id)
        trace = self._tracing.begin("request", scope["headers"])
        current = CURRENT.set(trace)  # also none: what is pipelined begins inside the request before it
        started, status = perf_counter(), CLIENT_LEFT

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (NAME, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass
        except Exception:
            log.exception("unexpected error")
            if status == CLIENT_LEFT:
                detail = f"The service made a mistake; its log has more under the request id {request_id}."
                await answer(InternalError(detail))(scope, receive, send_with_id)
        finally:
            self._record(scope, status, perf_counter() - started, trace)
            logs.ABOUT.reset(token)
            CURRENT.reset(current)

    def _record(self, scope: Scope, status: int, seconds: float, trace: Trace | None) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in METHODS else "other"
        kind = route, method, status
        if kind not in self._counted:
            seen = self._metrics.request_seconds.labels(route, method)
            self._counted[kind] = self._metrics.requests.labels(*kind), seen
        requests, took = self._counted[kind]
        requests.inc()
        took.observe(seconds)
        if trace is not None:
            attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
            trace.end(f"{method} {route}", logs.about(), has_failed=status >= 500, **attributes)
        level = logging.DEBUG if route in QUIET else logging.INFO
        if log.isEnabledFor(level):
            fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
            log.log(level, "request", extra={logs.FIELDS: fields})


def _request_id(scope: Scope) -> str:
    """The id that the client or a proxy gave, if it is safe to repeat; else a new one."""
    given = header(scope, NAME)
    return given if given is not None and VALID_ID.fullmatch(given) else new_id()


def new_id() -> str:
    """An id that no other request has; nobody need be unable to guess it."""
    return f"{getrandbits(128):032x}"
