"""Every head, encoder and rule through HTTP, untrained and tiny: adapted, asked, its weights fetched."""

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import torch
from PIL import Image
from safetensors.numpy import load

from models.card import Card
from models.checkpoint import build, save
from tests.models.tasks import Task, curve_task, glyph_task, table_task, vector_task
from tests.models.test_laws import ROWS
from tests.service.api.serving import serving

# those whose inputs need no base; the models over one: test_every_model
READ = (curve_task, glyph_task, table_task, vector_task)
INPUTS: dict[Any, dict[str, Any]] = {
    glyph_task: {"name": "glyph", "size": 28, "margin": 2},
    table_task: {"name": "table"},
}


def written(folder: Path, name: str) -> str:
    """A row of the laws as a model on disk; returns the name it is served by."""
    encoder, head, draw = ROWS[name]
    served = "".join(letter if letter.isalnum() else "-" for letter in name)
    inputs = INPUTS.get(draw) or {"name": "vector", "dim": draw(seed=1).support.shape[1]}
    modality = {glyph_task: "image", table_task: "table"}.get(draw, "vector")
    kind = "regression" if draw is curve_task else "classification"
    card = Card(served, modality, (kind,), inputs, encoder, head, "2026-01-01T00:00:00Z")
    torch.manual_seed(0)
    save(folder / served, build(encoder, head), card)
    return served


def sent(row: torch.Tensor) -> Any:
    """An input as it goes over the wire."""
    if row.is_floating_point() and row.ndim > 1:  # the cells of a table
        return [{1: None, 2: first, 3: f"word {first}"}[int(kind)] for kind, first, _ in row.tolist()]
    if row.is_floating_point():
        return row.tolist()
    png = io.BytesIO()
    Image.fromarray(row.numpy()).save(png, "PNG")
    return {"image": base64.b64encode(png.getvalue()).decode()}


def support_rows(task: Task) -> list[dict[str, Any]]:
    key = "label" if task.ways else "target"
    targets = [f"class {target}" if task.ways else target for target in task.targets.tolist()]
    return [{"input": sent(row), key: target} for row, target in zip(task.support, targets, strict=True)]


async def is_served(client: httpx.AsyncClient, model: str, name: str) -> None:
    draw = ROWS[name][2]
    task = draw(seed=1)
    made = await client.post("/v1/tasks", json={"model": model, "support": support_rows(task)})
    assert made.status_code == 201, (name, made.text)
    url = made.headers["location"]
    answered = await client.post(f"{url}/predictions", json={"inputs": [sent(row) for row in task.query]})
    assert answered.status_code == 200, (name, answered.text)
    predictions = answered.json()["predictions"]
    if task.ways and draw is vector_task:  # glyphs are framed anew on their way in: other pictures than the laws'
        right = [each["label"] == f"class {truth}" for each, truth in zip(predictions, task.answers, strict=True)]
        assert sum(right) > len(right) * (1 / task.ways + 0.3), name
    weights = await client.get(f"{url}/weights")
    assert load(weights.content).keys() == build(*ROWS[name][:2]).head.layout.keys(), name


async def test_every_row_of_the_laws_is_served(sqlite_url: str, tmp_path: Path) -> None:
    names = {written(tmp_path / "models", name): name for name, row in ROWS.items() if row[2] in READ}
    async with serving(sqlite_url, models=tmp_path / "models") as client:
        listed = {model["name"] for model in (await client.get("/v1/models")).json()["items"]}
        assert names.keys() <= listed
        for model, name in names.items():
            await is_served(client, model, name)
