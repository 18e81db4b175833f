"""Copies of stored tasks are tasks, and the database alone can do what a request asks of it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from benchmarks.asked import INPUTS, adaptation
from benchmarks.serving import limits
from benchmarks.serving.copies import copied
from benchmarks.serving.stored import param_bytes
from service.storage.migrate import upgrade
from tests.service.api.serving import serving


async def test_copies_predict_as_what_they_are_of_and_there_are_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    for name, least in {"LEAST_S": 0.0, "FEWEST": 1, "PREDICT_ROWS": (1, 2), "ADAPT_TASKS": (1, 2)}.items():
        monkeypatch.setattr(limits, name, least)
    found = await asyncio.to_thread(limits.limits, "vectors", file)
    assert all(each > 0 for name, each in found.items() if name != "forecast")
    assert param_bytes(file) > 5 * 64 * 4
