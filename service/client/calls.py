"""What the calls of every resource share: how one is asked, and what the service is known to allow."""

from functools import partial
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

from service.client.requests import at, key_header, request_of
from service.client.retrying import trying
from service.client.steps import Steps
from service.client.waiting import result_of, until_over
from service.schemas import Job, Limits

M = TypeVar("M", bound=BaseModel)

ACCEPTED = 202


class Calls:
    """To add a call: a method with `@call` or `@pages` that answers what `_ask`, `_write` or `_send` answers."""

    url: str
    patience_s: float
    shrink_px: int | None
    _known_limits: Limits | None = None
    _was_there = False

    def _ask(self, answer: type[M], *request: Any, **options: Any) -> Steps[M]:
        """What a GET or a POST without effect answers, and a PATCH or a DELETE, which must not be done twice."""
        response = yield from self._send(*request, **options)
        return answer.model_validate_json(response.content)

    def _write(
        self, answer: type[M], path: str, payload: Any, *, key: str | None, if_match: int | None = None
    ) -> Steps[M]:
        """What a POST that writes answers; it happens once, under this idempotency key or a new one.

        Where the service makes a job of it, that is waited for.
        """
        response = yield from self._send("POST", path, payload, if_match=if_match, headers=key_header(key))
        return (yield from self._waited(answer, response))

    def _waited(self, answer: type[M], response: httpx.Response) -> Steps[M]:
        """What the request is answered, by its job if it became one."""
        if response.status_code != ACCEPTED:
            return answer.model_validate_json(response.content)
        job = Job.model_validate_json(response.content)
        over = yield from until_over(job, partial(self._ask, Job, "GET", at("jobs", job.id)))
        return answer.model_validate(result_of(over).model_dump())

    def _later(self, path: str, payload: BaseModel, *, key: str | None, if_match: int | None = None) -> Steps[Job]:
        """The job that a POST becomes."""
        headers = {**key_header(key), "Prefer": "respond-async"}
        return self._ask(Job, "POST", path, payload, if_match=if_match, headers=headers)

    def _send(self, *request: Any, **options: Any) -> Steps[httpx.Response]:
        """The answer to a request of `request_of`, as it is."""
        asked = request_of(*request, **options)
        return trying(asked, self.url, self.patience_s, was_there=self._was_there, on_answer=self._see)

    def _see(self) -> None:
        self._was_there = True

    def _limits(self) -> Steps[Limits]:
        """The limits of the service, asked for once."""
        if self._known_limits is None:
            self._known_limits = yield from self._ask(Limits, "GET", at("limits"))
        return self._known_limits
