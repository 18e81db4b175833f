"""Evaluations through HTTP, on both databases: what they tell, of which version, and what they refuse."""

import asyncio
import json
import math
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from service.storage.tables import Version
from tests.service.api.serving import JSON, assert_problem, picture
from tests.service.tasks.life import Life, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")

Body = dict[str, Any]


def examples(life: Life, *pairs: tuple[float, str]) -> list[Body]:
    return [life.vector(mean, label) for mean, label in pairs]


async def evaluated(life: Life, task: str, rows: list[Body], **more: int) -> Body:
    answer = await life.client.post(f"{task}/evaluations", json={"examples": rows} | more)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    timing = found.pop("timing")
    assert timing["compute_ms"] > 0 and timing["queue_ms"] >= 0
    assert (found.pop("task"), found.pop("num_examples")) == (task.rpartition("/")[2], len(rows))
    return found


async def test_a_classifier_is_held_against_its_own_predictions(life: Life) -> None:
    task = await life.create()
    rows = examples(life, (0, "a"), (0.1, "a"), (1, "b"), (1, "a"), (1.1, "zebra"), (0, "zebra"))
    found = await evaluated(life, task, rows)
    asked = {"inputs": [row["input"] for row in rows]}
    predictions = (await life.client.post(f"{task}/predictions", json=asked)).json()["predictions"]
    assert [each["label"] for each in predictions] == ["a", "a", "b", "b", "b", "a"]
    assert (found["version"], found["comparison"], found["unknown_labels"]) == (1, None, ["zebra"])
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["accuracy_interval"] == pytest.approx({"level": 0.95, "low": 0.1876, "high": 0.8124}, abs=1e-4)
    assert found["confusion"] == {"labels": ["a", "b", "zebra"], "counts": [[2, 1, 0], [0, 1, 0], [1, 1, 0]]}
    assert found["labels"] == {
        "a": {"precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3), "support": 3},
        "b": {"precision": pytest.approx(1 / 3), "recall": 1.0, "support": 1},
        "zebra": {"precision": None, "recall": 0.0, "support": 2},
    }
    own = [max(each["scores"].get(row["label"], 0), 2**-23) for each, row in zip(predictions, rows, strict=True)]
    assert found["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-4)
    assert sum(each["count"] for each in found["bins"]) == 6 and 0 <= found["calibration_error"] <= 1
    assert (await life.client.get(task)).headers["ETag"] == '"1"'


@pytest.mark.parametrize("listed", [False, True])
async def test_a_curve_is_held_against_its_own_predictions(life: Life, listed: bool) -> None:
    def target(x: float) -> Any:
        return [2 * x, -x] if listed else 2 * x

    support = [{"input": [x], "target": target(x)} for x in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    made = (await life.client.post("/v1/tasks", json={"model": "curves", "support": support})).json()
    task, rows = f"/v1/tasks/{made['id']}", [{"input": [x], "target": target(x + 0.3)} for x in (-1.5, 0.5, 1.2)]
    found = await evaluated(life, task, rows)
    asked = {"inputs": [row["input"] for row in rows]}
    predictions = (await life.client.post(f"{task}/predictions", json=asked)).json()["predictions"]
    errors = np.array([np.subtract(each["mean"], row["target"]) for each, row in zip(predictions, rows, strict=True)])
    assert found.keys() == {"version", "mse", "r2", "coverage", "comparison"}
    assert found["mse"] == pytest.approx(np.square(errors).mean(), rel=1e-4)
    inside = np.abs(errors) <= 1.645 * np.array([each["std"] for each in predictions])
    assert found["coverage"] == {"level": 0.9, "share": pytest.approx(inside.mean())}
    assert (await evaluated(life, task, rows[:1]))["r2"] is None


async def test_pictures_are_evaluated(life: Life) -> None:
    task = await life.create("glyphs")
    found = await evaluated(life, task, pictures())
    assert found["accuracy"] > 0.5 and found["unknown_labels"] == []


async def test_a_stated_version_answers_as_it_did(life: Life) -> None:
    task = await life.create()
    rows = examples(life, (0, "a"), (1, "b"), (2, "c"))
    first = await evaluated(life, task, rows)
    await life.extend(task, life.vector(2), life.vector(2.1))
    second = await evaluated(life, task, rows)
    assert (first["version"], first["unknown_labels"], second["version"]) == (1, ["c"], 2)
    assert first["accuracy"] == pytest.approx(2 / 3) and second["accuracy"] == 1
    assert await evaluated(life, task, rows, version=1) == first
    assert await evaluated(life, task, rows, version=2) == second
    await life.client.post(f"{task}/rollback", json={"version": 1})
    assert await evaluated(life, task, rows) == first | {"version": 3}
    assert await evaluated(life, task, rows, version=2) == second
    assert await evaluated(life, task, rows) == first | {"version": 3}  # what was stated is not kept as the current


async def test_two_versions_on_the_same_examples(life: Life) -> None:
    task = await life.create()
    rows = examples(life, (0, "a"), (1, "b"), (2, "c"), (2, "c"))
    await life.extend(task, life.vector(2), life.vector(2.1))
    alone = await evaluated(life, task, rows, version=1)
    for more in ({}, {"version": 2}):
        found = await evaluated(life, task, rows, compare_with=1, **more)
        comparison = found["comparison"]
        difference = comparison.pop("difference")
        assert comparison == {field: value for field, value in alone.items() if field != "comparison"}
        assert difference["accuracy"] == pytest.approx(found["accuracy"] - alone["accuracy"]) == pytest.approx(0.5)
        assert difference["log_loss"] == pytest.approx(found["log_loss"] - alone["log_loss"])
        interval = difference["interval"]
        assert interval["level"] == 0.95 and interval["low"] < 0 < interval["high"]  # four are too few to tell
    many = await evaluated(life, task, examples(life, *[(2, "c")] * 12), compare_with=1)
    assert many["comparison"]["difference"]["interval"]["low"] > 0
    same = (await evaluated(life, task, rows, compare_with=2))["comparison"]["difference"]
    assert (same["accuracy"], same["log_loss"], same["calibration_error"]) == (0, 0, 0)


async def test_two_versions_of_a_curve(life: Life) -> None:
    task = await life.create("curves")
    await life.extend(task, {"input": [1.0], "target": 40.0})
    rows = [{"input": [x], "target": 2 * x + 1} for x in (-2.0, -1.0, 0.5, 1.5, 2.5)]
    found = await evaluated(life, task, rows, compare_with=1)
    comparison, difference = found["comparison"], found["comparison"]["difference"]
    assert comparison["version"] == 1 and difference["mse"] == pytest.approx(found["mse"] - comparison["mse"])
    assert difference["mse"] > 0 and difference["r2"] < 0
    assert difference["interval"]["low"] < difference["mse"] < difference["interval"]["high"]
    single = (await evaluated(life, task, rows[:1], compare_with=1))["comparison"]["difference"]
    assert (single["interval"], single["r2"]) == (None, None)


@pytest.mark.parametrize("field", ["version", "compare_with"])
async def test_versions_that_are_not_there(life: Life, field: str) -> None:
    task = await life.create()
    (example_id,) = (await life.extend(task, life.vector(2))).json()["example_ids"]
    await life.client.delete(f"{task}/support/{example_id}")

    async def refused(version: object) -> Any:
        body = {"examples": examples(life, (0, "a")), field: version}
        return await life.client.post(f"{task}/evaluations", json=body)

    assert_problem(await refused(2), 410, "version_erased")
    assert_problem(await refused(9), 404, "version_not_found")
    for wrong in (0, -1, 2**31, 1.5, "1", True, [1]):
        assert assert_problem(await refused(wrong), 422, "invalid_request")["errors"][0]["path"] == field
    for _ in range(3):
        await life.extend(task, life.vector(2))
    assert_problem(await refused(1), 404, "version_not_found")  # four are kept
    digest = update(Version).where(Version.task_id == task.rpartition("/")[2], Version.number == 4)
    await life.service.database.write(lambda session: session.execute(digest.values(model_digest="e" * 64)))
    assert_problem(await refused(4), 409, "model_unavailable")


@pytest.mark.parametrize(
    ("model", "changes", "path", "code"),
    [
        ("vectors", [{"label": None}], "examples", "invalid_request"),
        ("vectors", [{}, {"label": None}], "examples.1.label", "invalid_request"),
        ("vectors", [{"label": ""}], "examples.0.label", "invalid_request"),
        ("vectors", [{"label": "\0"}], "examples.0.label", "invalid_request"),
        ("vectors", [{}, {"label": 7}], "examples.1.label", "invalid_request"),
        ("vectors", [{}, {"label": "ａ"}], "examples.1.label", "invalid_request"),
        ("vectors", [{"label": "x"}, {"label": "x "}], "examples.1.label", "invalid_request"),
        ("vectors", [{"target": 1.0}], "examples.0.target", "invalid_request"),
        ("vectors", [{"input": [1.0]}], "examples.0.input", "invalid_request"),
        ("vectors", [{"input": [math.nan]}], "examples.0.input.0", "invalid_request"),
        ("vectors", [{"input": "hello"}], "examples.0.input", "invalid_request"),
        ("vectors", [{"input": picture()}], "examples.0.input", "invalid_request"),
        ("vectors", [{"weight": 1}], "examples.0.weight", "invalid_request"),
        ("vectors", [{"label": f"label {n}"} for n in range(5)], "examples", "limit_exceeded"),
        ("vectors", [{}] * 13, "examples", "limit_exceeded"),
        ("vectors", [], "examples", "invalid_request"),
        ("curves", [{"target": None}], "examples.0.target", "invalid_request"),
        ("curves", [{}, {"target": [1.0]}], "examples.1.target", "invalid_request"),
        ("curves", [{"target": 1e200}], "examples.0.target", "invalid_request"),
        ("curves", [{"target": math.inf}], "examples.0.target", "invalid_request"),
        ("curves", [{"label": "a"}], "examples.0.label", "invalid_request"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused_with_its_path(
    life: Life, model: str, changes: list[Body], path: str, code: str
) -> None:
    task = await life.create(model)
    good = life.vector(1, "a") if model == "vectors" else {"input": [0.5], "target": 2.0}
    body = json.dumps({"examples": [good | change for change in changes]})
    answer = await life.client.post(f"{task}/evaluations", content=body, headers=JSON)
    assert path in [error["path"] for error in assert_problem(answer, 422, code)["errors"]]


async def test_an_evaluation_during_writes_is_of_one_version(life: Life) -> None:
    task = await life.create()
    rows = examples(life, (0, "a"), (1, "b"), (2, "c"))

    async def teach() -> None:
        for _ in range(4):
            (example_id,) = (await life.extend(task, life.vector(2))).json()["example_ids"]
            await life.client.delete(f"{task}/support/{example_id}")

    teaching, seen = asyncio.ensure_future(teach()), set()
    while not teaching.done():
        found = await evaluated(life, task, rows)
        seen.add((found["version"] % 2, *found["unknown_labels"]))
    await teaching
    assert seen <= {(1, "c"), (0,)}
