"""Errors told over the wire become the classes that they were."""

import httpx

from service.client import error_of
from service.errors import BadGateway, InternalError, InvalidRequest
from tests.service.client.both import refusal


def test_codes_become_classes_and_unknown_ones_the_nearest() -> None:
    error = error_of(refusal(422, "invalid_request", errors=[{"path": "support.3.label", "message": "is missing"}]))
    assert type(error) is InvalidRequest
    assert (error.detail, error.errors[0].path) == ("why", "support.3.label")
    assert type(error_of(refusal(409, "invented_later"))).__name__ == "Conflict"
    assert type(error_of(refusal(418, "teapot"))) is InvalidRequest
    assert type(error_of(refusal(599, "odd"))) is InternalError


def test_answers_of_others_are_told_as_they_are() -> None:
    error = error_of(httpx.Response(502, text="<h1>Bad gateway</h1>", headers={"Retry-After": "Wed, 21 Oct 2015"}))
    assert type(error) is BadGateway
    assert "Bad gateway" in error.detail and error.retry_after_s is None
    assert type(error_of(httpx.Response(404, text="not here"))) is InternalError
