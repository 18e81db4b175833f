"""One model of images, texts and vectors, of labels and numbers: every task by itself, all of them in one batch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.card import Card
from models.checkpoint import build, save
from tests.service.api.serving import assert_problem, picture, serving
from tests.service.codec.pictures import saved

STEMS = {
    "name": "stems",
    "image": {"name": "conv4", "channels": 16, "strided": True},
    "text": {"name": "bag", "width": 64},
    "image_width": 16,
    "text_width": 64,
    "width": 64,
    "columns": 8,
}
HEAD = {
    "name": "in_own_units",
    "columns": 8,
    "body": {"name": "trunk", "columns": 8, "width": 64, "hidden": 32, "out": 16},
    "head": {
        "name": "both",
        "classes": {"name": "ridge", "normalise": "none", "penalty": 0.1},
        "values": {"name": "bayesian_linear", "width": 88, "rank": 12, "noises": [0.05, 0.3]},
    },
}
CARD = Card(
    name="mixed",
    modality="mixed",
    kinds=("classification", "regression"),
    inputs={"name": "mixed", "max_tokens": 8, "max_dim": 8},
    encoder=STEMS,
    head=HEAD,
    created_at="2026-11-22T00:00:00Z",
    several=("image", "text", "vector"),
)


def image(way: int, shot: int) -> Any:
    drawn = Image.new("L", (40, 40), 255)
    pen = ImageDraw.Draw(drawn)
    box = (4 + shot, 4, 34, 34)
    if way:
        pen.line(box, fill=0, width=2)
    else:
        pen.ellipse(box, fill=0)
    return picture(saved(drawn))


def text(way: int, shot: int) -> Any:
    said = (
        ["block my card", "my bank card is lost", "the card was stolen"],
        ["is it raining", "rain tomorrow", "rain?"],
    )
    return said[way][shot % 3] + " please" * (shot // 3)


def vector(way: int, shot: int, dim: int = 3) -> Any:
    return np.random.default_rng(10 * way + shot).normal(1000 * way, 100, dim).round(2).tolist()


MAKERS = {"image": image, "text": text, "vector": vector}


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    torch.manual_seed(0)
    save(tmp_path / "models" / "mixed", build(CARD.encoder, CARD.head), CARD)
    async with serving(sqlite_url, "mixed", models=tmp_path / "models") as found:
        yield found


def support(modality: str, kind: str = "label") -> list[dict[str, Any]]:
    values = ("zero", "one") if kind == "label" else (1.0, 3.0)
    return [{"input": MAKERS[modality](way, shot), kind: values[way]} for way in (0, 1) for shot in range(4)]


async def created(client: httpx.AsyncClient, rows: list[dict[str, Any]]) -> str:
    made = await client.post("/v1/tasks", json={"model": "mixed", "support": rows})
    assert made.status_code == 201, made.text
    assert made.json()["kind"] == ("classification" if "label" in rows[0] else "regression")
    return f"/v1/tasks/{made.json()['id']}"


async def predictions(client: httpx.AsyncClient, url: str, inputs: list[Any]) -> list[Any]:
    answer = await client.post(f"{url}/predictions", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["predictions"]
    return found


async def test_the_catalog_lists_all_that_it_takes(client: httpx.AsyncClient) -> None:
    model = (await client.get("/v1/models/mixed")).json()
    assert model["modalities"] == ["image", "text", "vector"]
    assert model["kinds"] == ["classification", "regression"]
    assert model["input_dim"] is None and model["label_names"] is False


async def test_tasks_of_every_modality_and_kind_share_batches(client: httpx.AsyncClient) -> None:
    asked = {
        (modality, kind): await created(client, support(modality, kind))
        for modality in MAKERS
        for kind in ("label", "target")
    }
    alone, together = {}, {}
    for key, url in asked.items():
        alone[key] = await predictions(client, url, [MAKERS[key[0]](way, 5) for way in (0, 1)])
        if key[1] == "label":
            assert [each["label"] for each in alone[key]] == ["zero", "one"], key
        else:
            assert alone[key][0]["mean"] < alone[key][1]["mean"], key
    calls = (predictions(client, url, [MAKERS[key[0]](way, 5) for way in (0, 1)]) for key, url in asked.items())
    together = dict(zip(asked, await asyncio.gather(*calls), strict=True))
    for (modality, kind), one in alone.items():
        field = "scores" if kind == "label" else "mean"
        for first, second in zip(one, together[modality, kind], strict=True):
            np.testing.assert_allclose(numbers(first[field]), numbers(second[field]), atol=1e-4)


def numbers(value: Any) -> Any:
    return [*value.values()] if isinstance(value, dict) else value


async def test_inputs_of_another_kind_are_refused_with_their_place(client: httpx.AsyncClient) -> None:
    async def refused(url: str, body: dict[str, Any]) -> tuple[str, str]:
        problem = assert_problem(await client.post(url, json=body), 422, "invalid_request")
        (error,) = problem["errors"]
        return error["path"], error["message"]

    rows = support("text")
    rows[5]["input"] = [1.0, 2.0]
    path, message = await refused("/v1/tasks", {"model": "mixed", "support": rows})
    assert path == "support.5.input" and message.startswith(
        "expected a text, as the task's other inputs are, got a vec"
    )
    url = await created(client, support("vector"))
    assert (await refused(f"{url}/predictions", {"inputs": [vector(0, 0), "rain"]}))[0] == "inputs.1"
    path, message = await refused(f"{url}/predictions", {"inputs": [vector(0, 0, dim=2)]})
    assert path == "inputs.0" and "expected a vector of 3 numbers" in message
    more = [{"input": image(0, 0), "label": "zero"}]
    assert (await refused(f"{url}/support", {"support": more}))[0] == "support.0.input"
    held = [{"input": "rain", "label": "zero"}]
    assert (await refused(f"{url}/evaluations", {"examples": held}))[0] == "examples.0.input"
    too_long = [{"input": [1.0] * 9, "label": label} for label in "ab"]
    problem = await client.post("/v1/tasks", json={"model": "mixed", "support": too_long})
    assert problem.status_code == 422 and "a vector of 1 to 8 numbers, got 9" in problem.text
    assert "that take it" not in problem.text
    assert (await client.get(url)).json()["version"] == 1


async def test_tasks_grow_forget_and_move(client: httpx.AsyncClient) -> None:
    url = await created(client, support("text"))
    more = [{"id": "new", "input": text(0, 4), "label": "zero"}, {"input": "stop the " * 9, "label": "two"}]
    grown = await client.post(f"{url}/support", json={"support": more})
    assert grown.status_code == 201 and grown.json()["truncated"] == [1]
    assert (await client.delete(f"{url}/support/new")).status_code == 200
    inputs = [text(way, 5) for way in (0, 1)]
    before = await predictions(client, url, inputs)
    file = (await client.get(f"{url}/export")).content
    moved = await client.post("/v1/tasks/import", content=file, headers={"content-type": "application/octet-stream"})
    assert moved.status_code == 201, moved.text
    copy = f"/v1/tasks/{moved.json()['id']}"
    assert [each["scores"] for each in await predictions(client, copy, inputs)] == [each["scores"] for each in before]
    assert (await client.post(f"{copy}/predictions", json={"inputs": [[1.0]]})).status_code == 422
