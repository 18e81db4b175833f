"""How good a task will be, which examples look wrong, and sets of labels that hold the right one: over HTTP."""

from typing import Any

import numpy as np
import pytest

from service.once import completed
from tests.service.api.serving import assert_problem, vectors
from tests.service.tasks.life import Life

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def made(life: Life, support: list[dict[str, Any]], model: str = "vectors") -> dict[str, Any]:
    """The answer to a new task."""
    answer = await life.client.post("/v1/tasks", json={"model": model, "support": support})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def labelled(life: Life, means: list[float], labels: str) -> list[dict[str, Any]]:
    """Vectors round these means, each of its own label."""
    rng = np.random.default_rng(3)
    pairs = zip(means, labels, strict=True)
    return [{"input": rng.normal(mean, 1.0, life.dim).tolist(), "label": label} for mean, label in pairs]


async def test_what_is_easy_is_expected_to_go_well_and_one_shot_is_told_widely(life: Life) -> None:
    easy = (await made(life, vectors(life.dim, "ab", 6)))["expected"]
    assert easy.keys() == {"accuracy", "low", "high", "level"} and easy["level"] == 0.9
    assert 0 <= easy["low"] <= easy["accuracy"] <= easy["high"] <= 1 and easy["accuracy"] > 0.9
    noise = (await made(life, labelled(life, [0.0] * 12, "abababababab")))["expected"]
    assert noise["accuracy"] < 0.75
    once = (await made(life, labelled(life, [0.0, 1.0], "ab")))["expected"]
    assert once["high"] - once["low"] > easy["high"] - easy["low"]


async def test_a_wrong_label_is_suspected_by_id_and_place_wherever_it_came_from(life: Life) -> None:
    support = labelled(life, [0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 0], "aaaaabbbbbb")
    task = await made(life, support)
    (suspect,) = task["suspects"]
    assert suspect.keys() == {"id", "index", "label", "instead", "probability"}
    assert (suspect["index"], suspect["label"], suspect["instead"]) == (10, "b", "a")
    assert suspect["id"] == task["example_ids"][10]
    path = f"/v1/tasks/{task['id']}"
    more = (await life.extend(path, *labelled(life, [4], "b"))).json()
    assert [(each["id"], each["index"]) for each in more["suspects"]] == [(suspect["id"], None)]
    clean = (await life.client.delete(f"{path}/support/{suspect['id']}")).json()
    assert clean["suspects"] == [] and clean["expected"]["accuracy"] > task["expected"]["accuracy"]


async def test_the_same_input_with_two_labels_is_suspected_on_both_sides(life: Life) -> None:
    support = labelled(life, [0, 0, 0, 4, 4, 4], "aaabbb")
    twice = {"input": support[0]["input"], "label": "b"}
    task = await made(life, [*support, twice])
    told = {each["index"]: each for each in task["suspects"]}
    assert set(told) == {0, 6} and told[0]["probability"] >= 0.5 <= told[6]["probability"]
    assert [(told[place]["label"], told[place]["instead"]) for place in (0, 6)] == [("a", "b"), ("b", "a")]
    path = f"/v1/tasks/{task['id']}"
    more = (await life.extend(path, {**support[0]})).json()["suspects"]  # two against one
    assert [(each["id"], each["index"]) for each in more] == [(task["example_ids"][6], None)]
    clean = (await life.client.delete(f"{path}/support/{task['example_ids'][6]}")).json()
    assert clean["suspects"] == []


async def test_the_same_input_with_two_labels_is_told_where_nothing_else_can_be(life: Life) -> None:
    once = labelled(life, [0, 4], "ab")
    task = await made(life, [*once, {"input": once[0]["input"], "label": "c"}])
    assert {(each["index"], each["label"], each["instead"]) for each in task["suspects"]} == {
        (0, "a", "c"),
        (2, "c", "a"),
    }


async def test_curves_are_told_by_r2_and_what_cannot_be_told_is_null(life: Life) -> None:
    line = [{"input": [x], "target": 2 * x + 1} for x in np.linspace(-4, 4, 10).tolist()]
    told = (await made(life, line, "curves"))["expected"]
    assert told.keys() == {"r2", "low", "high", "level"} and told["r2"] > 0.8
    for short in (line[:2], [row | {"target": 1.0} for row in line]):
        answer = await made(life, short, "curves")
        assert (answer["expected"], answer["suspects"]) == (None, [])


async def test_sets_of_labels_grow_with_the_coverage_and_hold_the_best(life: Life) -> None:
    task = await made(life, labelled(life, [0.0, 0.3] * 5, "ab" * 5))
    path, query = f"/v1/tasks/{task['id']}", {"inputs": [[0.2] * life.dim, [0.0] * life.dim], "top": 1}
    plain = (await life.client.post(f"{path}/predictions", json=query)).json()["predictions"]
    assert [each["label_set"] for each in plain] == [None, None]
    sizes = []
    for coverage in (0.5, 0.9, 0.99):
        answer = await life.client.post(f"{path}/predictions", json=query | {"coverage": coverage})
        assert all(each["label"] == each["label_set"][0] for each in answer.json()["predictions"])
        sizes.append(sum(len(each["label_set"]) for each in answer.json()["predictions"]))
    assert sizes == sorted(sizes) and sizes[-1] == 4


async def test_coverage_that_cannot_be_promised_is_refused(life: Life) -> None:
    task = await life.create()
    query: dict[str, Any] = {"inputs": [[0.2] * life.dim], "coverage": 0.9}
    for coverage in (0.4, 1.0, "0.9", True):
        refused = await life.client.post(f"{task}/predictions", json=query | {"coverage": coverage})
        assert_problem(refused, 422, "invalid_request")
    assert (await life.client.post(f"{task}/predictions", json=query)).status_code == 200
    assert (await life.client.patch(task, json={"prior": "uniform"})).status_code == 200
    under_a_prior = await life.client.post(f"{task}/predictions", json=query)
    assert_problem(under_a_prior, 422, "invalid_request")
    curve = await life.create("curves")
    refused = await life.client.post(f"{curve}/predictions", json={"inputs": [[0.5]], "coverage": 0.9})
    assert_problem(refused, 422, "invalid_request")


async def test_answers_of_before_get_the_fields_of_today() -> None:
    old = b'{"id":"t","num_support":2,"timing":{}}'
    assert completed(old) != old and b'"expected":null' in completed(old) and b'"prior":null' in completed(old)
    for other in (b'{"id":"job"}', b"", b"[1]"):
        assert completed(other) == other
