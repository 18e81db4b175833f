"""The OpenAPI document is a promise: it changes on purpose, by `python -m tests.service.api.test_openapi`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.api.shown import CREATE, PREDICT, SUMMARIES
from service.app import create_app
from service.schemas import CreatePredictions, CreateTask
from service.settings import Settings

SNAPSHOT = Path(__file__).parents[2] / "openapi.json"


def document() -> dict[str, Any]:
    made: dict[str, Any] = create_app(Settings()).openapi()
    return made


def text() -> str:
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def operations() -> list[Any]:
    return [
        pytest.param(path, method, operation, id=f"{method} {path}")
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_nothing_is_promised_by_accident() -> None:
    assert text() == SNAPSHOT.read_text("utf-8"), "if this is meant: python -m tests.service.api.test_openapi"


def test_every_reference_has_its_schema() -> None:
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text()))
    schemas = document()["components"]["schemas"]
    assert names <= schemas.keys()
    assert names >= {"CreateTask", "CreatePredictions", "Problem", "Example", "Image"}
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize(("path", "method", "operation"), operations())
def test_every_error_is_a_problem(path: str, method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    errors = {status: answer for status, answer in answers.items() if status >= "400"}
    for answer in errors.values():
        assert answer["content"].keys() == {"application/problem+json"}
        assert answer["description"]
    if path.startswith("/v1/"):
        assert errors.keys() >= {"413", "422", "429", "500", "503"}
        assert ("404" in errors) == ("{" in path or (method, path) == ("post", "/v1/tasks"))
    assert all("Retry-After" in errors[status]["headers"] for status in errors.keys() & {"429", "503"})
    if method == "post":
        taken = operation["requestBody"]["content"]
        assert "415" in errors and ("400" in errors) == ("application/json" in taken)
        assert "application/json" not in taken or taken["application/json"]["schema"]["$ref"]


if __name__ == "__main__":
    SNAPSHOT.write_text(text(), "utf-8")


def test_summaries_tell_paths_apart_and_bodies_can_be_sent() -> None:
    found = [operation for methods in document()["paths"].values() for operation in methods.values()]
    summaries = [operation["summary"] for operation in found]
    assert len(set(summaries)) == len(summaries) and {each["operationId"] for each in found} >= SUMMARIES.keys()
    for body, samples in ((CreateTask, CREATE), (CreatePredictions, PREDICT)):
        for sample in samples.values():
            body.model_validate(sample["value"])
