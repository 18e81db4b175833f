"""Stored tasks flow back into a model: allowed, judged, of one tenant alone, and marked when something is forgotten."""

import asyncio
import json
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from models.training.from_tasks import TaughtTask, Verdict, compared, split_tasks
from service.app import create_app
from service.catalog import Catalog, Served
from service.cli import app
from service.engine.loading import load_checkpoints
from service.settings import Settings
from tests.service.api.serving import client_of, input_dim
from tests.service.samples import make_key

NUM_TASKS = 18


def kshot(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def examples(seed: int, dim: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    centres = draw.normal(0, 2, (3, dim))
    return [
        {"id": f"e{row}", "input": draw.normal(centres[row % 3], 1).tolist(), "label": "abc"[row % 3]}
        for row in range(12)
    ]


async def fill(settings: Settings) -> list[str]:
    """Tasks of the tenant acme."""
    key = {"Authorization": f"Bearer {await make_key(settings.database_url, 'admin', tenant='acme')}"}
    service, made = create_app(settings), []
    async with service.router.lifespan_context(service), client_of(service) as client:
        client.headers.update(key)
        dim = await input_dim(client)
        for seed in range(NUM_TASKS):
            body = {"model": "vectors", "support": examples(seed, dim)}
            made.append((await client.post("/v1/tasks", json=body)).json()["id"])
    return made


async def forget(settings: Settings, task: str) -> None:
    service = create_app(settings)
    async with service.router.lifespan_context(service):
        await service.state.service.tasks.support.forget("acme", task, "e0", 1e12)


def test_a_model_learns_from_tasks_and_is_marked_when_they_forget(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("KSHOT_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("KSHOT_MODELS", str(own))
    monkeypatch.setenv("KSHOT_ONLY_MODELS", "vectors")
    settings = Settings(threads=1, auth="on")
    tasks = asyncio.run(fill(settings))
    command = ("train", "vectors", "--from-tasks", "--tenant", "acme", "--set", "num_steps=2", "--out")
    refused = kshot(*command, str(tmp_path / "no"))
    assert refused.exit_code == 1 and "has not allowed it" in refused.output
    assert kshot("tenants", "set", "acme", "--train-from-tasks").exit_code == 0
    assert "acme" in kshot("tenants", "list").output
    ran = kshot(*command, str(tmp_path / "run"))
    assert ran.exit_code == 0, ran.output
    (folder,) = own.iterdir()
    card = json.loads((folder / "model.json").read_text())["card"]
    assert card["tenant"] == "acme"
    assert {*card["tasks"], *card["held out tasks"]} == {*tasks}
    assert_seen_by_acme_alone(folder)
    assert "RETRAIN" not in kshot("doctor").output
    asyncio.run(forget(settings, card["tasks"][0]))
    told = kshot("doctor")
    assert told.exit_code == 0 and "RETRAIN: vectors@" in told.output
    assert json.loads(kshot("doctor", "--json").output)["to_retrain"][0]["num_tasks"] == 1
    rmtree(folder)
    assert "RETRAIN" not in kshot("doctor").output


def assert_seen_by_acme_alone(folder: Path) -> None:
    (checkpoint,) = load_checkpoints([folder]).values()
    catalog = Catalog([Served(checkpoint.digest, checkpoint.card, checkpoint.inputs)])
    assert catalog.of("acme").resolve("vectors").digest == checkpoint.digest
    assert catalog.of("other").names() == []
    assert catalog.of("other").find(checkpoint.digest) is None


def test_tasks_that_share_an_example_are_on_one_side() -> None:
    def task(number: int, *rows: int) -> TaughtTask:
        return TaughtTask(f"task_{number}", [np.full(3, row, np.float32) for row in rows], ["a", "a", "b", "b"])

    tasks = [task(number, *range(4 * number, 4 * number + 4)) for number in range(12)]
    copies = [task(100 + number, 4 * number, 1000, 1001, 1002) for number in (3, 7)]
    trained, held = split_tasks([*tasks, *copies])
    sides = [{each.id for each in side} for side in (trained, held)]
    shared = {"task_3", "task_7", "task_103", "task_107"}
    assert any(shared <= side for side in sides)
    assert len(trained) + len(held) == 14 and 0 < len(held) < len(trained)


def test_what_may_be_worse_is_not_worthy() -> None:
    assert Verdict(0.80, 0.80, 0.005).is_worthy
    assert not Verdict(0.80, 0.80, 0.02).is_worthy
    assert not Verdict(0.80, 0.78, 0.001).is_worthy


def test_many_episodes_of_few_tasks_do_not_make_it_sure() -> None:
    draw = np.random.default_rng(0)
    registered = 0
    for _ in range(400):  # five tasks, and a true gain just at the bound
        gains = draw.normal(-0.01, 0.02, 5)
        registered += compared([0.8] * 5, list(0.8 + gains)).is_worthy
    assert registered < 0.09 * 400  # one time in twenty


def test_what_a_model_was_trained_on_judges_none_that_goes_on_from_it() -> None:
    tasks = [
        TaughtTask(f"task_{n}", [np.full(3, 4 * n + row, np.float32) for row in range(4)], ["a", "a", "b", "b"])
        for n in range(12)
    ]
    first = {task.id for task in split_tasks(tasks)[0]}
    _, held = split_tasks(tasks, first)
    assert held and not first & {task.id for task in held}
