"""Frames through HTTP: adapted, asked, taught more, made to forget, evaluated, moved; and what is refused."""

import itertools
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from shutil import copy
from typing import Any

import httpx
import pytest
import pytest_asyncio
import torch

from service.codec import read_header
from service.schemas import Predictions
from tests.service.api.serving import assert_problem, serving
from tests.service.utterances import SUPPORT, frame_model, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "tiny-frames"


@dataclass(frozen=True)
class Service:
    """A running service, and a task of frames in it that stays."""

    client: httpx.AsyncClient
    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("frames")
    torch.manual_seed(0)
    path, models = copy(sqlite_template, folder / "kshot.db"), frame_model(folder / "models")
    async with serving(f"sqlite+aiosqlite:///{path}", models=models, max_ways=5) as client:
        yield Service(client, await made(client, SUPPORT))


async def made(client: httpx.AsyncClient, support: list[dict[str, Any]]) -> str:
    answer = await client.post("/v1/tasks", json={"model": MODEL, "support": support})
    assert answer.status_code == 201, answer.text
    assert answer.json()["kind"] == "frames"
    return str(answer.headers["location"])


async def asked(client: httpx.AsyncClient, url: str, inputs: list[str]) -> list[dict[str, Any]]:
    answer = await client.post(f"{url}/predictions", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    assert Predictions.model_validate(answer.json()).model_dump(mode="json")["predictions"] == found
    return found


async def test_what_was_taught_is_read(service: Service) -> None:
    found = await asked(service.client, service.url, [row["input"] for row in SUPPORT])
    assert [each["label"] for each in found] == [row["label"] for row in SUPPORT]
    assert found[0]["slots"], found
    for text, each in zip((row["input"] for row in SUPPORT), found, strict=True):
        assert all(slot["text"] == text[slot["start"] : slot["end"]] for slot in each["slots"])
        assert all(0 < slot["score"] <= 1 for slot in each["slots"])
        assert each["form"].startswith(f"({each['label']}")
        assert all(f'({slot["name"]} "{slot["text"]}")' in each["form"] for slot in each["slots"])


async def test_slots_of_any_text_lie_in_it_and_apart(service: Service) -> None:
    texts = [
        "\U0001f3b5 play Ça va by Björk!",
        "pla\u0301y 我要 x",
        "a" * 400,
        "by " * 90,
        "Adele\u200bAdele",
        "'\"(Adele)",
    ]
    for text, each in zip(texts, await asked(service.client, service.url, texts), strict=True):
        places = [(slot["start"], slot["end"]) for slot in each["slots"]]
        assert all(start < end <= len(text) for start, end in places)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(places))
        assert [slot["text"] for slot in each["slots"]] == [text[start:end] for start, end in places]


async def test_taught_more_and_made_to_forget(service: Service) -> None:
    client, url = service.client, await made(service.client, SUPPORT)
    before = await asked(client, url, ["play Hello by Adele in Paris"])
    more = [{**said("wake me at seven", "set_alarm", time="seven"), "id": "alarm"}]
    assert (await client.post(f"{url}/support", json={"support": more})).status_code == 201
    listed = (await client.get(f"{url}/support")).json()["items"]
    assert [row["slots"] for row in listed[:4]] == [row["slots"] for row in SUPPORT]
    assert listed[4]["slots"] == more[0]["slots"]
    assert (await asked(client, url, ["wake me at seven"]))[0]["slots"][0]["name"] == "time"
    assert (await client.delete(f"{url}/support/alarm")).status_code == 200
    after = await asked(client, url, ["play Hello by Adele in Paris"])
    assert after[0]["form"] == before[0]["form"]
    assert after[0]["scores"] == pytest.approx(before[0]["scores"])


async def test_evaluated_beside_an_older_version(service: Service) -> None:
    client, url = service.client, await made(service.client, SUPPORT)
    assert (await client.post(f"{url}/support", json={"support": SUPPORT[:1]})).status_code == 201
    examples = [*SUPPORT, said("an unheard thing", "unheard", thing="thing")]
    told = await client.post(f"{url}/evaluations", json={"examples": examples, "compare_with": 1})
    assert told.status_code == 200, told.text
    figures = told.json()
    assert figures["unknown_labels"] == ["unheard"]
    assert figures["slots"]["thing"] == {"precision": None, "recall": 0.0, "support": 1}
    assert figures["frame_accuracy_interval"]["high"] <= figures["accuracy_interval"]["high"] < 1
    assert 0 <= figures["frame_accuracy"] <= figures["accuracy"] <= 0.8
    assert 0 <= figures["slot_f1"] < 1  # the model is untrained
    assert figures["comparison"]["version"] == 1


async def test_a_task_moves_with_its_slots(service: Service) -> None:
    client = service.client
    exported = await client.get(f"{service.url}/export")
    kind = {"Content-Type": "application/octet-stream"}
    imported = await client.post("/v1/tasks/import", content=exported.content, headers=kind)
    assert imported.status_code == 201, imported.text
    moved = imported.headers["location"]
    texts = [row["input"] for row in SUPPORT]
    assert await asked(client, moved, texts) == await asked(client, service.url, texts)
    listed = (await client.get(f"{moved}/support")).json()["items"]
    assert [row["slots"] for row in listed] == [row["slots"] for row in SUPPORT]
    weights = (await client.get(f"{service.url}/weights")).content
    assert read_header(weights)["slots"] == ["track", "artist", "city", "day"]


async def test_a_task_without_any_slot(service: Service) -> None:
    url = await made(service.client, [{"input": row["input"], "label": row["label"]} for row in SUPPORT])
    found = await asked(service.client, url, ["play Hello by Adele"])
    assert found[0]["slots"] == []
    assert found[0]["form"] == f"({found[0]['label']})"


SLOT = {"name": "artist", "start": 16, "end": 21}  # of the first example
BAD: dict[str, tuple[list[dict[str, Any]], str]] = {
    "beyond the text": ([{**SLOT, "end": 22}], "support.0.slots.0.end"),
    "far beyond": ([{**SLOT, "start": 900, "end": 905}], "support.0.slots.0.end"),
    "empty": ([{**SLOT, "end": 16}], "support.0.slots.0.end"),
    "backwards": ([{**SLOT, "end": 5}], "support.0.slots.0.end"),
    "negative": ([{**SLOT, "start": -1}], "support.0.slots.0.start"),
    "a fraction": ([{**SLOT, "start": 16.5}], "support.0.slots.0.start"),
    "no end": ([{"name": "artist", "start": 16}], "support.0.slots.0.end"),
    "no name": ([{**SLOT, "name": ""}], "support.0.slots.0.name"),
    "more than a slot has": ([{**SLOT, "text": "Adele"}], "support.0.slots.0.text"),
    "overlapping": ([SLOT, {**SLOT, "name": "track", "start": 13}], "support.0.slots.1"),
    "twice": ([SLOT, SLOT], "support.0.slots.1"),
    "part of a word": ([{**SLOT, "end": 19}], "support.0.slots.0"),
    "a space": ([{**SLOT, "start": 15, "end": 16}], "support.0.slots.0"),
    "names that look alike": ([SLOT, {"name": "artist ", "start": 5, "end": 12}], "support.0.slots.1.name"),
}


@pytest.mark.parametrize(("slots", "path"), BAD.values(), ids=BAD)
async def test_a_slot_that_the_text_cannot_hold_is_refused(
    service: Service, slots: list[dict[str, Any]], path: str
) -> None:
    support = deepcopy(SUPPORT)
    support[0]["slots"] = slots
    for url in ("/v1/tasks", f"{service.url}/support"):
        body = {"support": support} if url.endswith("support") else {"model": MODEL, "support": support}
        problem = assert_problem(await service.client.post(url, json=body), 422, "invalid_request")
        assert path in [error["path"] for error in problem["errors"]], problem
    assert (await service.client.get(service.url)).json()["version"] == 1


async def test_slots_behind_what_is_read_and_too_many_names_are_refused(service: Service) -> None:
    text = "word " * 80 + "Adele"
    late = said(text, "play_music", artist="Adele")
    answer = await service.client.post("/v1/tasks", json={"model": MODEL, "support": [*SUPPORT, late]})
    problem = assert_problem(answer, 422, "invalid_request")
    [error] = problem["errors"]
    assert error == {"path": "support.4.slots.0", "message": "lies behind what the model reads of the text"}
    more = [said("play a b", "play_music", one="a", two="b")]
    answer = await service.client.post("/v1/tasks", json={"model": MODEL, "support": [*SUPPORT, *more]})
    assert_problem(answer, 422, "limit_exceeded")


async def test_slots_are_of_frames_alone(service: Service) -> None:
    row = {"input": [0.0] * 64, "label": "a", "slots": []}
    answer = await service.client.post("/v1/tasks", json={"model": "vectors", "support": [row, {**row, "label": "b"}]})
    problem = assert_problem(answer, 422, "invalid_request")
    assert problem["errors"][0]["path"] == "support.0.slots"
