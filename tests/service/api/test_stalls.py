"""No request holds up the event loop: what takes long is done in threads, whatever it says of itself."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from typing import Any

import httpx
import pytest

from service import codec
from tests.service.api.serving import JSON, assert_problem, input_dim, picture, serving, vectors
from tests.service.codec.pictures import padded, saved, stroke

WAYS = [f"{first}{second}" for first in "abcdef" for second in "uvwxyz"]


async def test_a_padded_picture_holds_up_nobody(sqlite_url: str) -> None:
    async with serving(sqlite_url, "glyphs") as client:
        support = [{"input": picture(saved(stroke(size))), "label": f"{size}"} for size in ((30, 60), (60, 20))]
        task = (await client.post("/v1/tasks", json={"model": "glyphs", "support": support})).json()["id"]
        body = {"inputs": [picture(padded(b"\xff" * 9_000))] * 12}
        answered, times = await meanwhile(client, client.post(f"/v1/tasks/{task}/predictions", json=body))
    assert answered.status_code == 200, answered.text
    assert longest(times) < (times[-1] - times[0]) / 4


@pytest.mark.parametrize(
    ("padding", "why"),
    [(b"\xff\xef\x00\x02", "too many pieces"), (b"\xff\xe1\x01\x08Exif\0\0" + bytes(256), "notes of a camera")],
    ids=["segments", "notes"],
)
async def test_pictures_of_long_heads_are_refused_soon(sqlite_url: str, padding: bytes, why: str) -> None:
    support = [{"input": picture(padded(padding * (10_000_000 // len(padding)))), "label": label} for label in "ab"]
    async with serving(sqlite_url, "glyphs") as client:
        began = time.process_time()
        answered = await client.post("/v1/tasks", json={"model": "glyphs", "support": support})
    problem = assert_problem(answered, 422, "invalid_request")
    assert [why in error["message"] for error in problem["errors"]] == [True, True]
    assert time.process_time() - began < 10  # each of them would be decoded for a minute


async def test_a_body_that_is_no_json_holds_up_nobody(sqlite_url: str) -> None:
    body = b',""' * 140_000 + b"1[" * 8_000_000
    async with serving(sqlite_url, "vectors") as client:
        answered, times = await meanwhile(client, client.post("/v1/tasks", content=body, headers=JSON))
    assert_problem(answered, 413, "body_too_large")
    assert longest(times) < 3  # it would be read for ten


async def meanwhile(
    client: httpx.AsyncClient, asked: Coroutine[Any, Any, httpx.Response]
) -> tuple[httpx.Response, list[float]]:
    """The answer to what is asked, and when others were answered until it came."""
    answer, times = asyncio.create_task(asked), [time.monotonic()]
    while not answer.done():
        await asyncio.sleep(0.001)  # in this process an answer takes no turn of the loop
        assert (await client.get("/livez")).status_code == 200
        times.append(time.monotonic())
    return answer.result(), times


def longest(times: Sequence[float]) -> float:
    """Between two answers."""
    return max(after - before for before, after in pairwise(times))


async def test_many_labels_are_ranked_in_a_thread(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once: list[bool] = []
    ranked = codec.classifications

    def classifications(*args: Any) -> Any:
        at_once.append(threading.current_thread() is threading.main_thread())
        return ranked(*args)

    monkeypatch.setattr(codec, "classifications", classifications)
    async with serving(sqlite_url, "vectors", max_ways=40) as client:
        support = [
            {**each, "label": label}
            for each, label in zip(vectors(await input_dim(client), "ab", len(WAYS) // 2), WAYS, strict=True)
        ]
        made = await client.post("/v1/tasks", json={"model": "vectors", "support": support})
        assert made.status_code == 201, made.text
        url = f"{made.headers['location']}/predictions"
        answers = [
            (await client.post(url, json={"inputs": [support[0]["input"]] * num_inputs})).json()["predictions"]
            for num_inputs in (1, 32)
        ]
    assert at_once == [True, False]
    assert [list(answers[0][0]["scores"])] * 32 == [list(each["scores"]) for each in answers[1]]
