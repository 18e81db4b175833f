"""What labels mean, labels without examples, several labels an example: through the life of a task, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import assert_problem, client_of, vectors
from tests.service.texts import NAMES, SAID, text_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = {"max_ways": 5, "max_examples": 20, "max_inputs": 12, "max_versions": 6}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tokenizers")
    return text_model(tmp_path_factory.mktemp("models"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(shared_url: str, models: Path) -> AsyncIterator[httpx.AsyncClient]:
    options: Any = {"database_url": shared_url, "models": models, "threads": 1, "auth": "off", **LIMITS}
    options["only_models"] = ("named", "vectors")
    app = create_app(Settings(**options))
    async with app.router.lifespan_context(app), client_of(app) as found:
        yield found


async def made(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/tasks", json={"model": "named", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def asked(client: httpx.AsyncClient, task: str, inputs: list[str] = SAID) -> list[Any]:
    answer = await client.post(f"/v1/tasks/{task}/predictions", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["predictions"])


async def support_of(client: httpx.AsyncClient, task: str) -> list[Any]:
    return list((await client.get(f"/v1/tasks/{task}/support")).json()["items"])


async def test_names_alone_make_a_task(client: httpx.AsyncClient) -> None:
    task = await made(client, label_names=NAMES)
    assert (task["kind"], task["labels"], task["num_support"]) == ("classification", list(NAMES), 3)
    answers = await asked(client, task["id"])
    assert [answer["label"] for answer in answers] == list(NAMES)
    assert all(answer["scores"].keys() == NAMES.keys() and 0 < answer["unknown"] < 1 for answer in answers)
    rows = await support_of(client, task["id"])
    assert [(row["role"], row["label"]) for row in rows] == [("name", label) for label in NAMES]


async def test_the_model_says_that_it_takes_names(client: httpx.AsyncClient) -> None:
    found = {each["name"]: each for each in (await client.get("/v1/models")).json()["items"]}
    assert found["named"]["label_names"] and not found["vectors"]["label_names"]
    assert found["named"]["kinds"] == ["classification", "multilabel"]


async def test_other_models_do_not_say_what_is_unknown(client: httpx.AsyncClient) -> None:
    dim = (await client.get("/v1/models/vectors")).json()["input_dim"]
    task = (await client.post("/v1/tasks", json={"model": "vectors", "support": vectors(dim)})).json()["id"]
    found = await client.post(f"/v1/tasks/{task}/predictions", json={"inputs": [[0.0] * dim]})
    assert found.json()["predictions"][0]["unknown"] is None


async def test_a_name_lives_as_an_example_does(client: httpx.AsyncClient) -> None:
    """Extended, forgotten, gone back to; a label without example or name is gone."""
    examples = [{"id": "one", "input": "my card is gone", "label": "card_lost"}]
    task = (await made(client, support=examples, label_names={"weather": NAMES["weather"]}))["id"]
    before = await asked(client, task)
    extended = await client.post(f"/v1/tasks/{task}/support", json={"label_names": {"music": NAMES["music"]}})
    assert extended.status_code == 201, extended.text
    assert (extended.json()["labels"], extended.json()["example_ids"]) == (["card_lost", "weather", "music"], [])
    assert [answer["label"] for answer in await asked(client, task)] == ["card_lost", "weather", "music"]
    again = await client.post(f"/v1/tasks/{task}/support", json={"label_names": {"music": "something else"}})
    assert assert_problem(again, 409, "example_exists")["errors"][0]["path"] == "label_names.music"
    rolled = await client.post(f"/v1/tasks/{task}/rollback", json={"version": 1})
    assert rolled.json()["labels"] == ["card_lost", "weather"]
    assert await asked(client, task) == before
    both = {"support": [{"input": "rain or snow", "label": "weather"}], "label_names": {"card_lost": "a lost card"}}
    assert (await client.post(f"/v1/tasks/{task}/support", json=both)).status_code == 201
    name = next(row["id"] for row in await support_of(client, task) if row["label"] == "weather")
    forgotten = await client.delete(f"/v1/tasks/{task}/support/{name}")
    assert (forgotten.status_code, forgotten.json()["num_support"]) == (200, 3)
    gone = [row["id"] for row in await support_of(client, task) if row["label"] == "weather"]
    assert_problem(await client.delete(f"/v1/tasks/{task}/support/{gone[0]}"), 409, "too_few_labels")


@pytest.mark.parametrize("several", [False, True])
async def test_a_task_moves_with_its_names(client: httpx.AsyncClient, several: bool) -> None:
    labels: list[Any] = [["card_lost"], ["weather", "music"], []] if several else ["card_lost", "weather", "music"]
    examples = [{"input": text, "label": label} for text, label in zip(SAID, labels, strict=True)]
    task = (await made(client, support=examples, label_names={"weather": "the weather"}))["id"]
    file = (await client.get(f"/v1/tasks/{task}/export")).content
    headers = {"Content-Type": "application/octet-stream"}
    moved = await client.post("/v1/tasks/import", content=file, headers=headers)
    assert moved.status_code == 201, moved.text
    assert await asked(client, moved.json()["id"]) == await asked(client, task)
    told = [
        [(row["role"], row["label"]) for row in await support_of(client, each)] for each in (task, moved.json()["id"])
    ]
    assert told[0] == told[1] == [*(("example", label) for label in labels), ("name", "weather")]
    more = {"support": [{"input": "is it sunny", "label": labels[1]}]}
    assert (await client.post(f"/v1/tasks/{moved.json()['id']}/support", json=more)).status_code == 201


async def test_several_labels_an_example(client: httpx.AsyncClient) -> None:
    examples = [
        {"input": "play jazz when it rains", "label": ["music", "weather"]},
        {"input": "play some jazz", "label": ["music"]},
        {"input": "will it rain", "label": ["weather"]},
        {"input": "my card is lost", "label": []},
    ]
    task = await made(client, support=examples)
    assert (task["kind"], task["labels"]) == ("multilabel", ["music", "weather"])
    answers = await asked(client, task["id"], [example["input"] for example in examples])  # type: ignore[misc]
    for answer, example in zip(answers, examples, strict=True):
        assert set(answer) == {"labels", "scores"}
        assert answer["labels"] == [label for label, score in answer["scores"].items() if score >= 0.5]
        assert all(answer["scores"][label] > 0.5 for label in example["label"])
    held = {"examples": [*examples, {"input": "stocks", "label": ["money"]}], "version": 1, "compare_with": 1}
    figures = (await client.post(f"/v1/tasks/{task['id']}/evaluations", json=held)).json()
    assert figures["unknown_labels"] == ["money"] and figures["labels"]["money"]["recall"] == 0
    assert figures["exact_interval"]["low"] < figures["exact"] < figures["exact_interval"]["high"]
    assert figures["exact"] <= 0.8 and 0 < figures["micro_f1"] < 1 and figures["num_examples"] == 5
    assert figures["comparison"]["difference"] == {**figures["comparison"]["difference"], "exact": 0, "micro_f1": 0}


async def test_a_name_of_another_label_is_refused_later_too(client: httpx.AsyncClient) -> None:
    task = (await made(client, label_names=NAMES))["id"]
    same = {"label_names": {"stolen": f"{NAMES['card_lost'].upper()} "}}
    answer = await client.post(f"/v1/tasks/{task}/support", json=same)
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == "label_names.stolen"
    assert (await client.get(f"/v1/tasks/{task}")).json()["version"] == 1


async def test_a_job_keeps_names(client: httpx.AsyncClient) -> None:
    body = {"model": "named", "label_names": NAMES}
    job = (await client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"})).json()
    async with client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
        assert [line async for line in events.aiter_lines() if '"succeeded"' in line]
    assert (await client.get(f"/v1/tasks/{job['task']}")).json()["labels"] == list(NAMES)


ONE = {"input": "x", "label": "a"}
TWO = [ONE, {"input": "y", "label": "b"}]
MANY = dict(zip("cdef", "wxyz", strict=True))
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "neither examples nor names": ({}, "support"),
    "one name": ({"label_names": {"a": "b"}}, "support"),
    "one label, named": ({"support": [ONE], "label_names": {"a": "b"}}, "support"),
    "a name is a number": ({"support": TWO, "label_names": {"a": 1}}, "label_names.a"),
    "a name is empty": ({"support": TWO, "label_names": {"a": ""}}, "label_names.a"),
    "a name is blank": ({"support": TWO, "label_names": {"a": " \u3000"}}, "label_names.a"),
    "a name without a token": ({"support": TWO, "label_names": {"a": "\u200b"}}, "label_names.a"),
    "a name too long": ({"support": TWO, "label_names": {"a": "x" * 201}}, "label_names.a"),
    "a name with a null byte": ({"support": TWO, "label_names": {"a": "\0"}}, "label_names.a"),
    "names are a list": ({"support": TWO, "label_names": ["a"]}, "label_names"),
    "two labels of one name": ({"label_names": {"a": "red", "b": " Red"}}, "label_names.b"),
    "a named label looks like another": ({"support": TWO, "label_names": {"ａ": "red"}}, "label_names.ａ"),
    "too many labels": ({"support": TWO, "label_names": MANY}, "support"),
    "a label that is a list among others": ({"support": [*TWO, ONE | {"label": ["a"]}]}, "support.0.label"),
    "a label twice": ({"support": [ONE | {"label": ["a", "b", "a"]}]}, "support.0.label.2"),
    "a label of several is a number": ({"support": [ONE | {"label": ["a", 1]}]}, "support.0.label.1"),
    "a label of several is empty": ({"support": [ONE | {"label": ["a", ""]}]}, "support.0.label.1"),
    "labels of several look alike": ({"support": [ONE | {"label": ["a", "ａ"]}]}, "support.0.label.1"),
    "no label at all": ({"support": [ONE | {"label": []}]}, "support"),
}


@pytest.mark.parametrize(("fields", "path"), BAD.values(), ids=BAD)
async def test_what_is_wrong_is_named_and_leaves_nothing(
    client: httpx.AsyncClient, fields: dict[str, Any], path: str
) -> None:
    before = (await client.get("/v1/tasks")).json()
    answer = await client.post("/v1/tasks", json={"model": "named", **fields})
    code = "limit_exceeded" if MANY in fields.values() else "invalid_request"
    assert assert_problem(answer, 422, code)["errors"][0]["path"] == path
    assert (await client.get("/v1/tasks")).json() == before


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
async def test_models_that_take_none_refuse_names_and_lists(client: httpx.AsyncClient, prefer: dict[str, str]) -> None:
    for body, path in (
        ({"support": [{"input": [0.0], "label": "a"}], "label_names": {"a": "red"}}, "label_names"),
        ({"support": [{"input": [0.0], "label": ["a"]}]}, "support.0.label"),
    ):
        answer = await client.post("/v1/tasks", json={"model": "vectors", **body}, headers=prefer)
        assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == path


async def test_the_kind_of_a_task_stays(client: httpx.AsyncClient) -> None:
    task = (await made(client, support=TWO))["id"]
    for path, body in (("support", "support"), ("evaluations", "examples")):
        answer = await client.post(f"/v1/tasks/{task}/{path}", json={body: [ONE | {"label": ["a"]}]})
        assert assert_problem(answer, 422, "invalid_request")["errors"][0]["path"] == f"{body}.0.label"


async def test_an_evaluation_tells_how_many_of_none_of_the_labels_are_caught(client: httpx.AsyncClient) -> None:
    task = await made(client, label_names=NAMES)
    rows = [{"input": text, "label": label} for text, label in zip(SAID, NAMES, strict=True)]
    strange: list[dict[str, Any]] = [
        {"input": "two and two are four", "label": None},
        {"input": "a cat on a roof", "label": "animals"},
    ]
    url = f"/v1/tasks/{task['id']}/evaluations"
    found = (await client.post(url, json={"examples": [*rows, *strange]})).json()
    assert (found["num_examples"], found["unknown"]["num_examples"], found["unknown_labels"]) == (5, 2, ["animals"])
    assert sum(each["support"] for each in found["labels"].values()) == 4  # what is of none counts as nothing else
    asked_of = [each["unknown"] for each in await asked(client, task["id"], [row["input"] for row in strange])]
    caught = {each["threshold"]: each["caught"] for each in found["unknown"]["thresholds"]}
    assert caught == {threshold: np.mean(np.array(asked_of) >= threshold) for threshold in caught}
    plain = (await client.post(url, json={"examples": rows})).json()
    assert (plain["unknown"], plain["accuracy"]) == (None, 1.0)


async def test_what_is_of_none_of_the_labels_has_to_be_said(client: httpx.AsyncClient) -> None:
    task, rows = await made(client, label_names=NAMES), [{"input": SAID[0], "label": "card_lost"}]
    url = f"/v1/tasks/{task['id']}/evaluations"
    for more, path in (({"input": "x"}, "examples.1.label"), ({"input": "x", "label": None}, "examples")):
        body = {"examples": [*rows, more] if path != "examples" else [more]}
        problem = assert_problem(await client.post(url, json=body), 422, "invalid_request")
        assert [error["path"] for error in problem["errors"]] == [path]
    body = {"support": [*rows, {"input": "x", "label": None}]}  # a task is taught labels
    assert_problem(await client.post(f"/v1/tasks/{task['id']}/support", json=body), 422, "invalid_request")
    numbers = {"model": "vectors", "support": vectors(64)}
    other = (await client.post("/v1/tasks", json=numbers)).json()["id"]
    examples = [vectors(64)[0], vectors(64)[0] | {"label": None}]
    answer = await client.post(f"/v1/tasks/{other}/evaluations", json={"examples": examples})
    assert "cannot say" in assert_problem(answer, 422, "invalid_request")["errors"][0]["message"]


async def test_names_that_are_cut_are_told(client: httpx.AsyncClient) -> None:
    long = " ".join(["card"] * 80)
    found = await made(client, label_names={"card_lost": "漢" * 200, "weather": "the weather forecast"})
    assert (found["truncated"], found["truncated_names"]) == ([], ["card_lost"])
    more = {"support": [{"input": long, "label": "weather"}], "label_names": {"music": "字" * 190}}
    extended = (await client.post(f"/v1/tasks/{found['id']}/support", json=more)).json()
    assert (extended["truncated"], extended["truncated_names"]) == ([0], ["music"])
