"""Ray Serve's proxies, taught to speak as the service does: who lost a replica is told so in our words.

It is for processes of Ray and not of kshot, and imports no more of it than it says.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.paths import may_be_repeated
from service.api.problems import MEDIA_TYPE, answer
from service.errors import BadGateway, KshotError, NotReady, Overloaded

RETRY_AFTER_S: Final = 1.0
OWN: Final[dict[int, KshotError]] = {  # what Serve says by itself, in plain text; a lost replica leaves it speechless
    429: Overloaded("Every replica has as much under way as it may.", retry_after_s=RETRY_AFTER_S),
    503: NotReady("No replica is there.", retry_after_s=RETRY_AFTER_S),  # nothing was done
}


def in_proxy() -> list[Middleware]:
    """What Serve's proxies load by the name in RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH."""
    return [Middleware(Told)]


class Told:
    """ASGI middleware before Serve: whoever asks is told in our words what happened, and when to come again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a replica answers; put a problem in the place of what Serve says, or leaves unsaid."""
        own: KshotError | None = _lost(scope) if scope["type"] == "http" else None

        async def send_ours(message: Message) -> None:
            nonlocal own
            if message["type"] == "http.response.start":
                own = OWN.get(message["status"]) if _is_of_serve(message) else None
                message["headers"] = list(dict.fromkeys(map(tuple, message["headers"])))  # both give the request's id
            if own is None:
                await send(message)

        await self._app(scope, receive, send_ours)
        if own is not None:
            await answer(own)(scope, receive, send)


def _lost(scope: Scope) -> KshotError:
    """Whoever could do something twice is not invited to come again."""
    if may_be_repeated(scope):
        return BadGateway("The replica was lost before it answered.", retry_after_s=RETRY_AFTER_S)
    return BadGateway("The replica was lost before it answered; what was asked may have been done.")


def _is_of_serve(start: Message) -> bool:
    return MEDIA_TYPE not in Headers(raw=start["headers"]).get("content-type", "")
