"""Each model in the catalog through HTTP: adapted, asked, its weights fetched. A model that nobody feeds fails."""

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import numpy as np
from PIL import Image, ImageDraw
from safetensors.numpy import load

from tests.service.api.serving import picture, serving
from tests.service.codec.pictures import saved

SHOTS, ASKED = 4, 2
Model = Mapping[str, Any]  # as GET /v1/models lists it
Made = tuple[
    list[dict[str, Any]], Callable[[list[Any]], bool]
]  # examples, the last ASKED of each way to be asked about


def image(model: Model, way: int, shot: int) -> dict[str, str]:
    """A blue ring or a red bar, in black and white different too."""
    drawn = Image.new("RGB", (64, 64), "white")
    pen, at = ImageDraw.Draw(drawn), 8 + 2 * shot
    if way:
        pen.line((at, 4, 20 + at, 60), fill=(200, 20, 20), width=6)
    else:
        pen.ellipse((at, at, at + 36, at + 36), outline=(20, 20, 200), width=5)
    return picture(saved(drawn))


def text(model: Model, way: int, shot: int) -> str:
    about = (
        ["my card was stolen", "I have lost my bank card", "somebody took my credit card", "the card is gone, block it",
         "my debit card is missing", "please block the card I lost"],
        ["will it rain tomorrow", "what is the weather like today", "how cold is it outside", "is it sunny in Rome now",
         "does it snow this weekend", "tell me the forecast for today"],
    )  # fmt: skip
    return about[way][shot]


def vector(model: Model, way: int, shot: int) -> list[float]:
    """Around -1 or 1; with one number, a point of its own for every shot; six numbers where any number will do."""
    dim = model["input_dim"] or 6
    spread = np.random.default_rng(10 * way + shot).normal(0, 0.1, dim) if dim > 1 else np.array([shot / SHOTS])
    numbers: list[float] = np.round(2 * way - 1 + spread, 3).tolist()
    return numbers


def table(model: Model, way: int, shot: int) -> list[Any]:
    """A length, a colour that is the way's, and a hole in some rows."""
    return [2.0 * way - 1 + shot / 10, ("red", "blue")[way], None if shot == 1 else shot]


INPUTS: Mapping[str, Callable[[Model, int, int], Any]] = {
    "image": image,
    "text": text,
    "vector": vector,
    "table": table,
}


def rows(model: Model, modality: str) -> list[tuple[int, Any]]:
    """The ways and inputs of a task: first those to adapt to, then those to ask about."""
    shots = [*range(SHOTS + ASKED)]
    parts = (shots[:SHOTS], shots[SHOTS:])
    return [(way, INPUTS[modality](model, way, shot)) for part in parts for way in (0, 1) for shot in part]


def classification(made: list[tuple[int, Any]]) -> Made:
    examples = [{"input": row, "label": f"way {way}"} for way, row in made]
    return examples, lambda answers: [each["label"] for each in answers] == [e["label"] for e in examples[2 * SHOTS :]]


def regression(made: list[tuple[int, Any]]) -> Made:
    """On a line; where inputs are no numbers, of the way."""
    examples = [{"input": row, "target": 3 * (row[0] if isinstance(row, list) else way) + 1} for way, row in made]

    def right(answers: list[Any]) -> bool:
        pairs = zip(answers, examples[2 * SHOTS :], strict=True)
        return all(abs(a["mean"] - e["target"]) < 3 * a["std"] and math.isfinite(a["std"]) for a, e in pairs)

    return examples, right


def multilabel(made: list[tuple[int, Any]]) -> Made:
    examples = [{"input": row, "label": [f"way {way}", "any"]} for way, row in made]
    return examples, lambda answers: all(
        {*e["label"]} <= {*each["scores"]} and max(each["scores"], key=each["scores"].get) == "any"
        for each, e in zip(answers, examples[2 * SHOTS :], strict=True)
    )


def frames(made: list[tuple[int, Any]]) -> Made:
    examples: list[dict[str, Any]] = []
    for way, row in made:
        places = [row.index("card")] if way == 0 else []
        slots = [{"name": "thing", "start": place, "end": place + 4} for place in places]
        examples.append({"input": row, "label": f"way {way}", "slots": slots})

    def right(answers: list[Any]) -> bool:
        pairs = list(zip(answers, examples[2 * SHOTS :], strict=True))
        places = [(slot, e["input"]) for a, e in pairs for slot in a["slots"]]
        return all(a["label"] == e["label"] for a, e in pairs) and all(
            slot["text"] == text[slot["start"] : slot["end"]] for slot, text in places
        )

    return examples, right


KINDS: Mapping[str, Callable[[list[tuple[int, Any]]], Made]] = {
    "classification": classification,
    "regression": regression,
    "multilabel": multilabel,
    "frames": frames,
}


async def works(client: httpx.AsyncClient, model: Model, modality: str, kind: str) -> None:
    examples, right = KINDS[kind](rows(model, modality))
    support, asked = examples[: 2 * SHOTS], [example["input"] for example in examples[2 * SHOTS :]]
    made = await client.post("/v1/tasks", json={"model": model["name"], "support": support})
    is_slow = model["efforts"] == ["high"]
    assert made.status_code == (202 if is_slow else 201), (model["name"], made.text)
    task = await result(client, made.headers["location"]) if is_slow else made.json()
    assert task["kind"] == kind
    url = f"/v1/tasks/{task['id']}"
    answered = await client.post(f"{url}/predictions", json={"inputs": asked})
    assert answered.status_code == 200, (model["name"], answered.text)
    assert right(answered.json()["predictions"]), (model["name"], answered.text)
    weights = (await client.get(f"{url}/weights")).content
    assert all(np.isfinite(leaf).all() for leaf in load(weights).values())
    header = json.loads(weights[8 : 8 + struct.unpack("<Q", weights[:8])[0]])
    assert json.loads(header["__metadata__"]["kshot"])["model_digest"] == model["digest"]


async def result(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    """The task that a job made."""
    async with client.stream("GET", f"{job}/events") as events:
        async for _ in events.aiter_lines():
            pass
    over = (await client.get(job)).json()
    assert over["state"] == "succeeded", over
    task: dict[str, Any] = over["result"]
    return task


async def test_every_model_adapts_predicts_and_gives_its_weights(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        models = (await client.get("/v1/models")).json()["items"]
        assert models
        unknown = [
            (model["name"], missing)
            for model in models
            for missing in ({*model["modalities"]} - INPUTS.keys()) | ({*model["kinds"]} - KINDS.keys())
        ]
        assert not unknown, f"write a maker into INPUTS or KINDS: {unknown}"
        for model in models:
            for modality in model["modalities"]:
                for kind in model["kinds"][: 1 if model["efforts"] == ["high"] else None]:
                    await works(client, model, modality, kind)
