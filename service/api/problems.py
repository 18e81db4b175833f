"""Every error as application/problem+json (RFC 9457), and the same for the OpenAPI document."""

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidBody,
    InvalidRequest,
    KshotError,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Overloaded,
    Unauthenticated,
    UnsupportedMediaType,
)
from service.fields import field_errors
from service.metrics import Metrics
from service.schemas import Problem

# every route below /v1 may answer these
ANY = (Unauthenticated, Forbidden, InvalidRequest, BodyTooLarge, Overloaded, InternalError, NotReady)
BODY = (InvalidBody, BodyTimeout, UnsupportedMediaType)  # and these, if it takes a body

METHODS = {"get", "post", "put", "patch", "delete"}
MEDIA_TYPE = "application/problem+json"


def answer(error: KshotError, headers: Mapping[str, str] | None = None) -> Response:
    """The response that tells a client of this error."""
    headers = dict(headers or {})
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, BodyTimeout):
        headers["Connection"] = "close"  # the rest of the body is not waited for
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return Response(Problem.of(error).model_dump_json(), error.status, headers, MEDIA_TYPE)


def refusal(error: KshotError, metrics: Metrics) -> Response:
    """The same, counted if it protects the others."""
    if isinstance(error, Overloaded | DeadlineExceeded | BodyTimeout):
        metrics.shed.labels(error.code).inc()
    return answer(error)


def handlers(metrics: Metrics) -> dict[Any, Any]:
    """The app's `exception_handlers`."""

    async def on_kshot_error(request: Request, error: KshotError) -> Response:
        return refusal(error, metrics)

    return {
        KshotError: on_kshot_error,
        RequestValidationError: _on_validation_error,
        HTTPException: _on_http_error,
    }


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    return answer(InvalidRequest.at(field_errors(error.errors())))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(NotFound(f"There is nothing at {request.url.path[:200]}."), error.headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the router names the methods of the first route only
        allowed = {"Allow": ", ".join(sorted(_methods(request.app, request.scope["path"])))}
        return answer(MethodNotAllowed(f"{request.method[:20]} is not a method of this path."), allowed)
    raise error  # nobody here raises others: the outermost layer logs it and answers 500


def _methods(app: FastAPI, path: str) -> set[str]:
    """The methods that any route has at this path, as the OpenAPI document lists them."""
    templates: dict[str, dict[str, Any]] = app.openapi()["paths"]
    if path in templates:  # as /v1/tasks/import is, which would pass for a task too
        return {method.upper() for method in templates[path] if method in METHODS}
    patterns = {
        re.sub(r"{\w+}", "[^/]+", name.replace("{example_id}", ".+")): name for name in templates
    }  # ids hold "/"
    here = [templates[name] for pattern, name in patterns.items() if re.fullmatch(pattern, path)]
    return {method.upper() for each in here for method in each if method in METHODS}


def documented(*errors: type[KshotError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can fail in these ways."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    retry = {"Retry-After": {"description": "Seconds until another try is worth while.", "schema": {"type": "integer"}}}
    return {
        error.status: {
            "description": error.title,
            "content": {MEDIA_TYPE: schema},
            **({"headers": retry} if error.status in (409, 429, 503) else {}),
        }
        for error in errors
    }
