"""The client over swapped transports, and against the real service on a real socket."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service import schemas
from service.app import create_app
from service.client import Client, Raw, error_of, to_input
from service.errors import (
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    KshotError,
    ModelNotFound,
    Overloaded,
    TaskNotFound,
    Unavailable,
)
from service.settings import Settings
from tests.service.api.live import live
from tests.service.codec.pictures import saved, stroke


@pytest.fixture
def client(sqlite_url: str) -> Iterator[Client]:
    with live(create_app(Settings(database_url=sqlite_url, threads=1, auth="off"))) as url, Client(url) as client:
        yield client


def test_a_task_from_its_first_day_to_its_last(client: Client) -> None:
    dim = client.model("vectors").input_dim or 0
    labels = ["a", "b", "a", "b"]
    points = np.array([[way] * dim for way in (-1, 1, -1.1, 1.1)])
    task = client.adapt("vectors", points, labels=labels, ids="wxyz", name="n", metadata={"a": None})
    assert (task.labels, task.version, task.metadata) == (["a", "b"], 1, {"a": None})
    assert client.get(task) == client.get(task.id) == schemas.Task(**task.model_dump(exclude={"timing"}))

    answer = client.predict(task, points, top=1)
    assert [each.label for each in answer.predictions if isinstance(each, schemas.Classification)] == labels

    other = client.adapt("curves", [[-1.0], [0.0], [1.0]], targets=np.array([1.0, 2.0, 3.0]))
    [value] = client.predict(other, [[0.5]]).predictions
    assert isinstance(value, schemas.Regression) and isinstance(value.mean, float)

    assert [each.id for each in client.tasks()] == [other.id, task.id]
    assert [each.id for each in client.tasks(name="n", model="vectors")] == [task.id]
    assert {model.name for model in client.models()} >= {"vectors", "curves", "glyphs"}
    assert client.limits().max_ways == 256
    client.delete(task)
    with pytest.raises(TaskNotFound):
        client.get(task)
    with pytest.raises(ModelNotFound):
        client.model("a?b")


def test_errors_name_the_same_fields_wherever_they_are_found(client: Client) -> None:
    with pytest.raises(InvalidRequest) as found_here:
        client.adapt("vectors", [[1.0, np.nan]], labels=["a"])
    assert [error.path for error in found_here.value.errors] == ["support.0.input.1"]
    with pytest.raises(InvalidRequest) as found_there:
        client.adapt("vectors", [[1.0]], labels=["a"])
    assert [error.path for error in found_there.value.errors] == ["support"]
    with pytest.raises(ValueError, match="expected 2 of each"):
        client.adapt("vectors", [[1.0], [2.0]], labels=["a"])


def test_every_way_to_hold_an_image_is_the_same_image(tmp_path: Path) -> None:
    picture = stroke()
    (tmp_path / "stroke.png").write_bytes(saved(picture))
    ways: list[Raw] = [picture, np.asarray(picture), saved(picture), tmp_path / "stroke.png"]
    assert [to_input(way) for way in ways] == [schemas.Image(image=base64.b64encode(saved(picture)).decode())] * 4
    assert isinstance(to_input(Image.new("CMYK", (2, 2))), schemas.Image)


def test_vectors_texts_and_what_is_neither() -> None:
    assert to_input(np.array([1, 2], np.int8)) == to_input([1, 2]) == to_input((1.0, 2.0)) == [1.0, 2.0]
    assert to_input("a text") == "a text"
    with pytest.raises(TypeError, match="uint8"):
        to_input(np.zeros((4, 4)))


class Script:
    """A transport that gives these answers, one after another."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> Client:
        return Client(transport=httpx.MockTransport(self), **options)


def refusal(status: int, code: str, retry_after: str | None = "0", **more: Any) -> httpx.Response:
    problem = {"type": "t", "title": "t", "status": status, "detail": "why", "code": code, "errors": []} | more
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=problem, headers=headers)


LIMITS = schemas.Limits(
    max_ways=1,
    max_examples=1,
    max_inputs=1,
    max_body_bytes=1,
    max_image_pixels=1,
    max_in_flight=1,
    request_timeout_s=1,
)


def test_what_was_refused_for_want_of_room_is_asked_again() -> None:
    script = Script(refusal(429, "overloaded"), httpx.Response(200, json=LIMITS.model_dump()))
    assert script.client().limits() == LIMITS
    assert len(script.requests) == 2


def test_patience_ends() -> None:
    script = Script(refusal(429, "overloaded", "30"))
    with pytest.raises(Overloaded) as caught:
        script.client(patience_s=20).limits()
    assert caught.value.retry_after_s == 30


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "kind"),
    [
        (503, "computation_failed", None, Unavailable),
        (500, "internal_error", None, InternalError),
        (413, "body_too_large", None, BodyTooLarge),
    ],
)
def test_what_another_try_may_repeat_or_cannot_help_is_raised(
    status: int, code: str, retry_after: str | None, kind: type[KshotError]
) -> None:
    script = Script(refusal(status, code, retry_after))
    with pytest.raises(kind):
        script.client().adapt("m", ["x"], labels=["a"])
    assert len(script.requests) == 1


def test_a_write_is_repeated_under_one_key_since_it_may_have_been_stored() -> None:
    script = Script(refusal(503, "deadline_exceeded"), refusal(413, "body_too_large"))
    with pytest.raises(BodyTooLarge):
        script.client().adapt("m", ["x"], labels=["a"])
    first, second = (request.headers["Idempotency-Key"] for request in script.requests)
    assert first == second


def test_a_refused_request_is_repeated_to_the_byte() -> None:
    made = {"task": "t", "version": 1, "predictions": [], "timing": {"queue_ms": 0, "compute_ms": 0}}
    script = Script(refusal(503, "deadline_exceeded"), httpx.Response(200, json=made))
    script.client().predict("t", [[1.5]], top=3)
    assert [json.loads(request.content) for request in script.requests] == [{"inputs": [[1.5]], "top": 3}] * 2


def test_codes_become_classes_and_unknown_ones_the_nearest() -> None:
    error = error_of(refusal(422, "invalid_request", errors=[{"path": "support.3.label", "message": "is missing"}]))
    assert type(error) is InvalidRequest
    assert (error.detail, error.errors[0].path) == ("why", "support.3.label")
    assert type(error_of(refusal(409, "invented_later"))).__name__ == "Conflict"
    assert type(error_of(refusal(418, "teapot"))) is InvalidRequest
    assert type(error_of(refusal(599, "odd"))) is InternalError


def test_answers_of_others_are_told_as_they_are() -> None:
    error = error_of(httpx.Response(502, text="<h1>Bad gateway</h1>", headers={"Retry-After": "Wed, 21 Oct 2015"}))
    assert type(error) is Unavailable
    assert "Bad gateway" in error.detail and error.retry_after_s is None
    assert type(error_of(httpx.Response(404, text="not here"))) is InternalError


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Script(httpx.ConnectError("refused")).client().limits()
