"""Answers that tell of an error -> the classes of `service.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from pydantic import ValidationError

from service.errors import BadGateway, FieldError, InternalError, InvalidRequest, KshotError, Unavailable
from service.fields import field_errors
from service.schemas import Problem

OF_PROXIES = {502: BadGateway, 503: Unavailable, 504: Unavailable}


def error_of(response: httpx.Response) -> KshotError:
    """The error that the service told of; its class is found by the code, else by the status."""
    retry_after_s = float(after) if (after := response.headers.get("Retry-After", "")).isdecimal() else None
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:  # not from the service: a proxy, or nothing of ours at this address
        kind = OF_PROXIES.get(response.status_code, InternalError)
        return kind(f"HTTP {response.status_code}: {response.text[:200]}", retry_after_s=retry_after_s)
    return error_in(problem, retry_after_s)


def error_in(problem: Problem, retry_after_s: float | None = None) -> KshotError:
    """The error that a problem tells of."""
    kinds = list(_tree(KshotError))
    by_status = [kind for kind in kinds if kind.status == problem.status]
    by_code = [kind for kind in kinds if kind.code == problem.code]
    errors = [FieldError(each.path, each.message) for each in problem.errors]
    found = (by_code or by_status or [InvalidRequest if problem.status < 500 else InternalError])[0]
    return found(problem.detail, errors=errors, retry_after_s=retry_after_s)


@contextmanager
def as_invalid_request() -> Iterator[None]:
    """What is wrong with a request is told alike, whether it is found here or by the service."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest.at(field_errors(error.errors())) from None


def _tree(kind: type[KshotError]) -> Iterator[type[KshotError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)
