"""What Ray Serve's proxies say, put in our words."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import MEDIA_TYPE, answer
from service.api.proxied import in_proxy
from service.client.refusals import error_of
from service.errors import BadGateway, InternalError, NotReady, TaskNotFound
from service.schemas import Problem


async def asked(app: ASGIApp, method: str = "GET", path: str = "/", **headers: str) -> httpx.Response:
    (middleware,) = in_proxy()
    transport = httpx.ASGITransport(middleware.cls(app, *middleware.args, **middleware.kwargs))
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as http:
        return await http.request(method, path, headers=headers)


async def speechless(scope: Scope, receive: Receive, send: Send) -> None:
    """As Serve is when a replica dies on a request."""


@pytest.mark.parametrize(
    ("app", "status", "code"),
    [
        (PlainTextResponse("Request dropped due to backpressure", 429), 429, "overloaded"),
        (PlainTextResponse("Deployment is unavailable", 503), 503, "not_ready"),
        (speechless, 502, "bad_gateway"),
    ],
)
async def test_who_is_refused_or_lost_is_told_when_to_come_again(app: ASGIApp, status: int, code: str) -> None:
    found = await asked(app)
    assert (found.status_code, found.headers["content-type"]) == (status, MEDIA_TYPE)
    assert int(found.headers["retry-after"]) == 1
    assert Problem.model_validate_json(found.content).code == code


KEY = {"Idempotency-Key": "1"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_repeatable"),
    [
        ("HEAD", "/v1/tasks", {}, True),
        ("POST", "/v1/tasks/t/predictions", {}, True),
        ("POST", "/v1/tasks/t/evaluations", {}, True),
        ("POST", "/v1/tasks", KEY, True),
        ("POST", "/v1/tasks", {}, False),
        ("POST", "/v1/tasks/t/support", {}, False),
        ("DELETE", "/v1/tasks/t", {}, False),
        ("PATCH", "/v1/tasks/t", {}, False),
    ],
)
async def test_who_could_do_it_twice_is_not_invited(
    method: str, path: str, headers: dict[str, str], is_repeatable: bool
) -> None:
    found = await asked(speechless, method, path, **headers)
    assert (found.status_code, "retry-after" in found.headers) == (502, is_repeatable)
    error = error_of(found)
    assert isinstance(error, BadGateway)
    assert ("may have been done" in error.detail) == (error.retry_after_s is None)


@pytest.mark.parametrize(
    "response",
    [
        Response(b"[1]", 200, media_type="application/json"),
        PlainTextResponse("Path '/' not found.", 404),
        answer(NotReady("The service is stopping.", retry_after_s=7)),
        answer(TaskNotFound("There is no task t.")),
        answer(InternalError("The service made a mistake.")),
    ],
)
async def test_what_the_service_says_is_left_alone(response: Response) -> None:
    found = await asked(response)
    assert (found.status_code, found.content) == (response.status_code, response.body)
    assert found.headers.raw == response.raw_headers


async def test_the_id_of_a_request_is_told_once() -> None:
    twice = Response()
    twice.raw_headers += [(b"x-request-id", b"1"), (b"x-request-id", b"1")]
    assert (await asked(twice)).headers.get_list("x-request-id") == ["1"]


async def test_the_life_of_the_app_is_left_alone() -> None:
    (middleware,) = in_proxy()
    app = middleware.cls(Starlette(), *middleware.args, **middleware.kwargs)
    said = []
    heard = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(heard)

    async def send(message: object) -> None:
        said.append(message)

    await app({"type": "lifespan"}, receive, send)
    assert said == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
