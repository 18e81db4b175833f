"""What Ray Serve's proxies say, put in our words."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import MEDIA_TYPE, answer
from service.api.proxied import in_proxy
from service.errors import InternalError, NotReady, TaskNotFound
from service.schemas import Problem


async def asked(app: ASGIApp) -> httpx.Response:
    (middleware,) = in_proxy()
    transport = httpx.ASGITransport(middleware.cls(app, *middleware.args, **middleware.kwargs))
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as http:
        return await http.get("/")


async def speechless(scope: Scope, receive: Receive, send: Send) -> None:
    """As Serve is when a replica dies on a request."""


@pytest.mark.parametrize(
    ("app", "status", "code"),
    [
        (PlainTextResponse("Request dropped due to backpressure", 429), 429, "overloaded"),
        (PlainTextResponse("Deployment is unavailable", 503), 503, "unavailable"),
        (speechless, 503, "unavailable"),
    ],
)
async def test_who_is_refused_or_lost_is_told_when_to_come_again(app: ASGIApp, status: int, code: str) -> None:
    found = await asked(app)
    assert (found.status_code, found.headers["content-type"]) == (status, MEDIA_TYPE)
    assert int(found.headers["retry-after"]) == 1
    assert Problem.model_validate_json(found.content).code == code


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
