"""A method added as ARCHITECTURE.md says: a head, a row in each table, trained by the command, served over HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from typer.testing import CliRunner

from models.card import Card
from models.checkpoint import build, load
from models.data.synthetic import VectorTasks
from models.heads import HEADS
from models.training.objectives.episodic import episodic
from models.training.recipes import RECIPES
from models.training.train import Run
from service.cli import app
from service.codec import read_arrays
from tests.adding.matching import Matching
from tests.models.laws import LAWS, units
from tests.models.tasks import vector_task
from tests.service.api.serving import serving, vectors

DIM = 6
ENCODER = {"name": "mlp", "input_dim": DIM, "widths": [32]}


def matching(data: Path, num_steps: int = 20) -> Run:
    """The recipe: all that a run needs."""
    torch.manual_seed(0)
    inputs = {"name": "vector", "dim": DIM}
    card = Card("matching", "vector", ("classification",), inputs, ENCODER, {"name": "matching"}, created_at="")
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=VectorTasks(DIM, num_tasks=4),
        num_steps=num_steps,
        optimiser="adamw",
        rate=0.1,
    )


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the tables."""
    monkeypatch.setitem(HEADS, "matching", Matching)
    monkeypatch.setitem(RECIPES, "matching", matching)


@pytest.mark.parametrize("law", [law for law in LAWS.values() if law is not units])  # it does not regress
def test_the_laws_run_on_it(law: Any) -> None:
    torch.manual_seed(0)
    tasks = [vector_task(seed=1), vector_task(seed=2, ways=2, shots=6), vector_task(seed=3, ways=4, shots=3)]
    law(build(ENCODER, {"name": "matching"}).eval(), tasks)


async def test_it_is_trained_by_the_command_and_served(sqlite_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    trained = CliRunner().invoke(app, ["train", "matching", "--set", "num_steps=3", "--out", str(folder)])
    assert trained.exit_code == 0, trained.output
    model = load(folder / "models" / "matching")
    assert isinstance(model.learner.head, Matching)
    assert abs(model.learner.head.log_scale - Matching().log_scale) > 0.05  # it was trained
    async with serving(sqlite_url, models=folder / "models") as client:
        assert (await client.get("/v1/models/matching")).json()["digest"] == model.digest
        await asyncio.gather(works(client, "ab", shots=2), works(client, "abc", shots=5))  # of different sizes at once


async def works(client: httpx.AsyncClient, ways: str, shots: int) -> None:
    created = await client.post("/v1/tasks", json={"model": "matching", "support": vectors(DIM, ways, shots)})
    assert created.status_code == 201, created.text
    url, rows = created.headers["location"], vectors(DIM, ways, shots=4)
    asked = await client.post(f"{url}/predictions", json={"inputs": [row["input"] for row in rows]})
    assert asked.status_code == 200, asked.text
    assert [each["label"] for each in asked.json()["predictions"]] == [row["label"] for row in rows]
    weights = await client.get(f"{url}/weights")
    assert read_arrays(weights.content).keys() == Matching().layout.keys()
