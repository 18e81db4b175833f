"""A request, sent again while that may help and cannot do anything twice."""

import random
from collections.abc import Callable

import httpx

from service.client.refusals import error_of
from service.client.steps import Pause, Request, Steps
from service.errors import BadGateway, Conflict, KshotError, NotReady, Overloaded, Unavailable

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LOST = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)  # a connection that was there
UNDONE = (Overloaded, NotReady, Conflict)  # with these the service says that it has not done what was asked


def trying(
    request: Request, url: str, patience_s: float, *, was_there: bool, on_answer: Callable[[], None]
) -> Steps[httpx.Response]:
    """The answer to a request, asked for again after pauses of `patience_s` in all. Raises a KshotError.

    `was_there` says that the service has answered before: where nobody listens, it may just be restarting. One that was
    never there will not come. `on_answer` is called at each answer, refusals too.
    """
    wait_s = FIRST_WAIT_S
    while True:
        try:
            response: httpx.Response = yield request
            was_there = True
            on_answer()
            if response.is_success:
                return response
            error = error_of(response)
            may_help = _may_help(request, response.status_code, error)
        except httpx.TransportError as cause:
            error = Unavailable(f"{url} does not answer: {cause}")
            error.__cause__ = cause
            is_back_soon = isinstance(cause, LOST) or (was_there and isinstance(cause, httpx.ConnectError))
            was_there, may_help = was_there or is_back_soon, is_back_soon and request.is_repeatable
        pause_s = max(error.retry_after_s or 0, wait_s) * random.uniform(1, 1.25)
        if not may_help or pause_s > patience_s:
            raise error
        yield Pause(pause_s)
        patience_s, wait_s = patience_s - pause_s, min(2 * wait_s, LONGEST_WAIT_S)


def _may_help(request: Request, status: int, error: KshotError) -> bool:
    """Whether who answered asks to come again, or is a proxy that lost the service, and nothing is done twice by it."""
    is_invited = status in (409, 429, 503) and error.retry_after_s is not None
    was_lost = isinstance(error, BadGateway) or (status == 503 and type(error) is Unavailable)  # ours says more
    return request.is_repeatable if was_lost else is_invited and (request.is_repeatable or isinstance(error, UNDONE))
