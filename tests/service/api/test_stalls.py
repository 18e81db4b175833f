"""No request holds up the event loop: what takes long is done in threads, whatever it says of itself."""

import asyncio
import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from service import codec
from tests.service.api.serving import input_dim, picture, serving, vectors
from tests.service.codec.pictures import padded, saved, stroke

WAYS = [f"{first}{second}" for first in "abcdef" for second in "uvwxyz"]


async def test_a_padded_picture_holds_up_nobody(sqlite_url: str) -> None:
    async with serving(sqlite_url, "glyphs") as client:
        support = [{"input": picture(saved(stroke(size))), "label": f"{size}"} for size in ((30, 60), (60, 20))]
        task = (await client.post("/v1/tasks", json={"model": "glyphs", "support": support})).json()["id"]
        body = {"inputs": [picture(padded(b"\xff" * 9_000))] * 12}
        asked = asyncio.create_task(client.post(f"/v1/tasks/{task}/predictions", json=body))
        times = [time.monotonic()]
        while not asked.done():
            assert (await client.get("/livez")).status_code == 200
            times.append(time.monotonic())
            await asyncio.sleep(0.001)  # in this process an answer takes no turn of the loop
        assert asked.result().status_code == 200, asked.result().text
    longest_s = max(after - before for before, after in pairwise(times))
    assert longest_s < (times[-1] - times[0]) / 4


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
