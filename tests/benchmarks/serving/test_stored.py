"""Copies of stored tasks are tasks, and the database alone can do what a request asks of it."""

import asyncio
from pathlib import Path

import numpy as np

from benchmarks.asked import INPUTS, adaptation
from benchmarks.serving.copies import copied
from benchmarks.serving.stored import WRITE_TASKS, param_bytes, plan, reading, writing
from service.storage.migrate import upgrade
from tests.service.api.serving import serving


async def test_copies_predict_as_what_they_are_of_and_the_database_alone_finds_them(tmp_path: Path) -> None:
    file = tmp_path / "kshot.db"
    await asyncio.to_thread(upgrade, url := f"sqlite+aiosqlite:///{file}")
    rng = np.random.default_rng(3)
    inputs = [INPUTS["vectors"](rng, label) for label in range(5)]
    async with serving(url, "vectors") as client:
        made = (await client.post("/v1/tasks", json=adaptation("vectors", 0))).json()["id"]
        copies = await asyncio.to_thread(copied, file, [made], 20)
        answers = [
            (await client.post(f"/v1/tasks/{task}/predictions", json={"inputs": inputs})).json()["predictions"]
            for task in (made, copies[0], copies[-1])
        ]
    assert answers[0] == answers[1] == answers[2]
    next(reading(file))
    writer = writing(file)
    for _ in range(2 * WRITE_TASKS):
        next(writer)
    assert param_bytes(file) > 5 * 64 * 4
    assert any("USING" in line for line in await asyncio.to_thread(plan, file))
