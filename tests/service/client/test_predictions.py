"""Predictions in several requests: all of one version, the limits asked for once."""

import json
from typing import Any

import httpx
import pytest

from service.errors import Conflict
from service.schemas import Regression
from tests.service.client.both import Make, opened, told
from tests.service.client.test_retrying import LIMITS


class Moving:
    """A service that takes two inputs a request; its answers are of these versions, one after another."""

    def __init__(self, *versions: int) -> None:
        self.versions = list(versions)
        self.asked: list[list[Any]] = []
        self.num_limits = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/limits":
            self.num_limits += 1
            return httpx.Response(200, json=LIMITS.model_dump() | {"max_inputs": 2, "max_body_bytes": 100_000})
        inputs = json.loads(request.content)["inputs"]
        self.asked.append([row[0] for row in inputs])
        version = self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]
        answers = [{"mean": row[0], "std": float(version)} for row in inputs]
        timing = {"queue_ms": 1.0, "compute_ms": 2.0}
        cut = [place for place, row in enumerate(inputs) if row[0] % 3 == 0]
        told = {"task": "t", "version": version, "predictions": answers, "timing": timing, "truncated": cut}
        return httpx.Response(200, json=told)


async def predicted(make: Make, service: Moving, num_inputs: int = 5, times: int = 1) -> Any:
    async with opened(make, transport=httpx.MockTransport(service)) as kshot:
        for _ in range(times):
            answer = await told(kshot.predict("t", [[float(number)] for number in range(num_inputs)]))
    return answer


async def test_answers_come_in_the_order_of_the_inputs(make: Make) -> None:
    service = Moving(7)
    answer = await predicted(make, service, times=2)
    assert [each.mean for each in answer.predictions] == [0, 1, 2, 3, 4]
    assert (answer.version, answer.timing.queue_ms, answer.timing.compute_ms) == (7, 3, 6)
    assert answer.truncated == [0, 3]
    assert service.asked == [[0, 1], [2, 3], [4]] * 2
    assert service.num_limits == 1


async def test_one_input_needs_no_limits(make: Make) -> None:
    service = Moving(7)
    await predicted(make, service, num_inputs=1)
    assert service.num_limits == 0


async def test_answers_of_an_older_version_are_asked_for_again(make: Make) -> None:
    service = Moving(1, 1, 2, 2, 3, 3)
    answer = await predicted(make, service)
    assert service.asked == [[0, 1], [2, 3], [4], [0, 1], [2, 3], [0, 1], [4]]
    assert {each.std for each in answer.predictions} == {answer.version} == {3}
    assert all(isinstance(each, Regression) for each in answer.predictions)


async def test_a_task_that_keeps_changing_is_told_of(make: Make) -> None:
    with pytest.raises(Conflict, match="again and again"):
        await predicted(make, Moving(*range(1, 1000)))
