"""Tasks that belong to a model, over HTTP: listed, asked by anyone, stored nowhere, there when the database is not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from models.card import Card
from models.checkpoint import build, save
from service.client import AsyncClient
from tests.models.test_own_tasks import CARD, own_tasks
from tests.service.api.serving import assert_problem, serving
from tests.service.samples import make_key

URL = "/v1/models/small/tasks"
INPUTS = [[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]]


def written(folder: Path, card: Card = CARD) -> Path:
    torch.manual_seed(0)
    save(folder / "models" / card.name, build(card.encoder, card.head), card, tasks=own_tasks() if card.tasks else {})
    return folder / "models"


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(sqlite_url, "small", "vectors", models=written(tmp_path)) as client:
        yield client


async def asked(client: httpx.AsyncClient, name: str, **body: Any) -> httpx.Response:
    return await client.post(f"{URL}/{name}/predictions", json={"inputs": INPUTS, **body})


async def test_they_are_listed(client: httpx.AsyncClient) -> None:
    found = (await client.get(URL)).json()["items"]
    digest = (await client.get("/v1/models/small")).json()["digest"]
    assert [(each["name"], each["kind"], each["labels"]) for each in found] == [
        ("colour", "classification", ["red", "blue"]),
        ("weight", "regression", None),
    ]
    assert all((each["model"], each["model_digest"]) == ("small", digest) and each["about"] for each in found)
    assert (await client.get("/v1/models/vectors/tasks")).json() == {"items": []}
    assert_problem(await client.get("/v1/models/none/tasks"), 404, "model_not_found")


async def test_they_answer_as_tasks_do_and_nothing_is_stored(client: httpx.AsyncClient) -> None:
    colour = (await asked(client, "colour", top=1)).json()
    assert (colour["task"], colour["version"]) == ("colour", 1)
    assert [each["label"] for each in colour["predictions"]] == ["red", "blue"]
    assert [len(each["scores"]) for each in colour["predictions"]] == [1, 1]
    weight = (await asked(client, "weight")).json()["predictions"]  # a layer of 1e5 on unit features, and one
    assert [each["mean"] for each in weight] == pytest.approx([140_001, 100_001])
    assert [each["std"] for each in weight] == [1, 1]
    digest = (await client.get("/v1/models/small")).json()["digest"]
    pinned = await client.post(f"/v1/models/small@{digest[:8]}/tasks/weight/predictions", json={"inputs": INPUTS})
    assert pinned.json()["predictions"] == weight
    assert (await client.get("/v1/tasks")).json()["items"] == []


async def test_a_task_of_ones_own_on_the_same_model_shares_its_batches(client: httpx.AsyncClient) -> None:
    rows = [[1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0]]
    labelled = [{"input": row, "label": "ab"[place % 2]} for place, row in enumerate(rows)]
    measured = [{"input": row, "target": row[0]} for row in rows]
    for support, kind in ((labelled, "classification"), (measured, "regression")):
        made = await client.post("/v1/tasks", json={"model": "small", "support": support})
        assert (made.status_code, made.json()["kind"]) == (201, kind), made.text
    ours = f"{made.headers['location']}/predictions"
    answers = await asyncio.gather(
        *(asked(client, name) for name in ("colour", "weight") * 3), client.post(ours, json={"inputs": rows})
    )
    assert [answer.status_code for answer in answers] == [200] * 7
    assert answers[-1].json()["predictions"][0]["mean"] > 0.5


async def test_what_is_wrong_is_named(client: httpx.AsyncClient) -> None:
    assert_problem(await asked(client, "price"), 404, "model_task_not_found")
    nonsense = await client.post(f"{URL}/price/predictions", content=b"{", headers={"Content-Type": "application/json"})
    assert_problem(nonsense, 404, "model_task_not_found")
    wrong = await client.post(f"{URL}/colour/predictions", json={"inputs": [[1.0]]})
    assert assert_problem(wrong, 422, "invalid_request")["errors"][0]["path"] == "inputs.0"
    assert_problem(await client.post(f"{URL}/colour/predictions", json={"input": [1]}), 422, "invalid_request")
    assert_problem(
        await client.post(f"{URL}/colour/predictions?top=1", json={"inputs": INPUTS}), 422, "invalid_request"
    )
    assert_problem(await client.delete(f"{URL}/colour"), 404, "not_found")


async def test_whoever_may_predict_may_ask(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, "small", "vectors", models=written(tmp_path), auth="on") as client:
        key = await make_key(sqlite_url, "predict", tenant="anyone")
        client.headers["Authorization"] = f"Bearer {key}"
        assert (await asked(client, "colour")).status_code == 200
        assert len((await client.get(URL)).json()["items"]) == 2


async def test_the_client_asks_by_name_or_by_what_was_listed(client: httpx.AsyncClient) -> None:
    async with AsyncClient("http://kshot", transport=client._transport) as kshot:
        colour, weight = await kshot.model_tasks("small")
        assert (await kshot.predict(colour, INPUTS)).predictions == (
            await kshot.predict("small/colour", INPUTS)
        ).predictions
        assert (await kshot.predict(weight, INPUTS)).task == "weight"


async def test_an_older_service_reads_a_model_without_tasks(tmp_path: Path) -> None:
    folder = written(tmp_path, replace(CARD, tasks={})) / "small"
    assert '"tasks"' not in (folder / "model.json").read_text()
