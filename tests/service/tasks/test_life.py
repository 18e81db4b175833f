"""A task grows, forgets, goes back and ages, through HTTP, on both databases."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from service.storage import queries
from service.tasks.sweeping import expire_tasks
from tests.service.api.serving import assert_problem
from tests.service.tasks.life import Life, assert_equal, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED_FORMS: dict[str, dict[str, Any]] = {
    "vectors": {},
    "curves": {"input": [4.5], "target": -3.0},
    "glyphs": pictures()[1] | {"label": "c"},
}


@pytest.mark.parametrize("model", CLOSED_FORMS)
async def test_adding_then_forgetting_is_as_never_having_added(life: Life, model: str) -> None:
    task = await life.create(model)
    before, (first,) = await life.params(task), await life.versions(task)
    extended = await life.extend(task, CLOSED_FORMS[model] or life.vector(2))
    assert extended.status_code == 201 and extended.headers["ETag"] == '"2"'
    assert (extended.json()["version"], extended.json()["num_support"]) == (2, first["num_support"] + 1)
    with pytest.raises(AssertionError):
        assert_equal(await life.params(task), before)
    (example_id,) = extended.json()["example_ids"]
    forgotten = await life.client.delete(f"{task}/support/{example_id}")
    assert forgotten.status_code == 200 and forgotten.headers["ETag"] == '"3"'
    assert forgotten.json()["timing"]["compute_ms"] > 0
    assert_equal(await life.params(task), before)
    third, second, again = await life.versions(task)
    assert [each["origin"] for each in (third, second, again)] == ["forget", "extend", "adapt"]
    assert [each["available"] for each in (third, second, again)] == [True, False, True]
    assert (second["labels"], second["support_digest"]) == (None, None)
    assert again == first
    assert all(third[field] == first[field] for field in ("support_digest", "labels", "num_support", "model_digest"))


async def test_what_a_task_began_with_can_be_told_apart_and_forgotten(life: Life) -> None:
    examples = [life.vector(0, "a"), life.vector(1, "b", id="mine"), life.vector(1.1, "b")]
    made = (await life.client.post("/v1/tasks", json={"model": "vectors", "support": examples})).json()
    task = f"/v1/tasks/{made['id']}"
    listed = [each["id"] for each in (await life.client.get(f"{task}/support")).json()["items"]]
    assert made["example_ids"] == listed and listed[1] == "mine"
    forgotten = (await life.client.delete(f"{task}/support/{made['example_ids'][2]}")).json()
    assert (forgotten["num_support"], forgotten["example_ids"]) == (2, [])
    assert forgotten["forgotten"] == [made["example_ids"][2]]


async def test_features_are_stored_for_what_is_added(life: Life) -> None:
    task = await life.create("glyphs")
    await life.extend(task, CLOSED_FORMS["glyphs"])
    async with life.service.database.read() as session:
        support = await queries.get_support(session, "default", task.rpartition("/")[2], 2)
    sizes = {len(example.features or b"") for example in support}
    assert len(support) == 5 and len(sizes) == 1 and sizes != {0}


async def test_a_new_label_is_predicted(life: Life) -> None:
    task = await life.create()
    extended = await life.extend(task, life.vector(3, id="mine"), life.vector(3.1))
    assert extended.json()["labels"] == ["a", "b", "c"]
    assert extended.json()["example_ids"][0] == "mine"
    asked = {"inputs": [life.vector(3)["input"], life.vector(0)["input"]]}
    answered = (await life.client.post(f"{task}/predictions", json=asked)).json()
    assert [each["label"] for each in answered["predictions"]] == ["c", "a"]
    assert answered["version"] == 2


async def test_what_the_task_has_already_is_not_taken_again(life: Life) -> None:
    task = await life.create()
    assert (await life.extend(task, life.vector(2, id="x"))).status_code == 201
    problem = assert_problem(await life.extend(task, life.vector(2), life.vector(2, id="x")), 409, "example_exists")
    assert [error["path"] for error in problem["errors"]] == ["support.1.id"]
    assert (await life.client.delete(f"{task}/support/x")).status_code == 200
    assert (await life.extend(task, life.vector(2, id="x"))).status_code == 201


@pytest.mark.parametrize(
    ("model", "examples", "path", "code"),
    [
        ("vectors", [{"label": "b "}], "support.0.label", "invalid_request"),
        ("vectors", [{"label": "a"}, {"label": "ａ"}], "support.1.label", "invalid_request"),
        ("vectors", [{"label": "c"}, {"label": "d"}, {"label": "e"}], "support", "limit_exceeded"),
        ("vectors", [{"label": "a"}] * 9, "support", "limit_exceeded"),
        ("vectors", [{"label": "a", "input": [1.0]}], "support.0.input", "invalid_request"),
        ("vectors", [{"label": None, "target": 1.0}], "support.0.label", "invalid_request"),
        ("vectors", [{"id": "x"}, {"id": "x"}], "support.1.id", "invalid_request"),
        ("vectors", [], "support", "invalid_request"),
        ("curves", [{"input": [0.0], "target": 1.0}, {"input": [0.0], "target": [1.0]}], "support.1.target", None),
    ],
)
async def test_bad_support_is_refused_with_its_path(
    life: Life, model: str, examples: list[dict[str, Any]], path: str, code: str | None
) -> None:
    task = await life.create(model)
    whole = [(life.vector(1, "a") if model == "vectors" else {}) | example for example in examples]
    problem = assert_problem(await life.extend(task, *whole), 422, code or "invalid_request")
    assert path in [error["path"] for error in problem["errors"]]
    assert (await life.client.get(task)).headers["ETag"] == '"1"'


async def test_every_write_minds_if_match(life: Life) -> None:
    task, client = await life.create(), life.client

    async def writes(tag: str) -> list[int]:
        headers = {"If-Match": tag}
        found = [await life.extend(task, life.vector(2, id="new"), **headers)]
        found.append(await client.delete(f"{task}/support/new", headers=headers))
        found.append(await client.post(f"{task}/rollback", json={"version": 1}, headers=headers))
        found.append(await client.patch(task, json={"name": "n"}, headers=headers))
        return [answer.status_code for answer in found]

    assert await writes('"7"') == [412] * 4
    assert await writes('W/"1", "another-server"') == [412] * 4
    assert await writes("1") == [422] * 4
    assert (await client.get(task)).headers["ETag"] == '"1"'
    assert await writes("*") == [201, 200, 200, 200]
    assert (await client.get(task)).headers["ETag"] == '"5"'
    assert_problem(await client.delete(task, headers={"If-Match": '"4"'}), 412, "precondition_failed")
    assert (await client.delete(task, headers={"If-Match": '"4", "5"'})).status_code == 204
    assert_problem(await client.delete(task, headers={"If-Match": '"5"'}), 404, "task_not_found")


async def test_of_two_writers_with_one_etag_one_wins(life: Life) -> None:
    task = await life.create()
    answers = await asyncio.gather(*(life.extend(task, life.vector(2), **{"If-Match": '"1"'}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 412, 412, 412, 412, 412]


async def test_name_and_metadata_are_changed_apart(life: Life) -> None:
    task = await life.create()
    steps = [({"name": "n"}, "n", {}), ({"metadata": {"a": [1]}}, "n", {"a": [1]}), ({"name": None}, None, {"a": [1]})]
    for revision, (body, name, metadata) in enumerate(steps, 2):
        answer = await life.client.patch(task, json=body)
        assert answer.headers["ETag"] == f'"{revision}"'
        found = (await life.client.get(task)).json()
        assert found == answer.json()
        assert (found["name"], found["metadata"], found["version"]) == (name, metadata, 1)
    assert_problem(await life.client.patch(task, json={"version": 3}), 422, "invalid_request")
    assert_problem(await life.client.patch(task, json={"metadata": None}), 422, "invalid_request")


async def test_rolling_back_makes_the_next_version_with_the_same_params(life: Life) -> None:
    task, client = await life.create(), life.client
    before = await life.params(task)
    ids = (await life.extend(task, life.vector(2))).json()["example_ids"]
    back = await client.post(f"{task}/rollback", json={"version": 1})
    assert (back.status_code, back.headers["ETag"], back.json()["version"]) == (200, '"3"', 3)
    assert back.json()["labels"] == ["a", "b"] and back.json()["num_support"] == 6
    assert_equal(await life.params(task), before)
    assert_problem(await client.post(f"{task}/rollback", json={"version": 9}), 404, "version_not_found")
    assert (await client.delete(f"{task}/support/{ids[0]}")).status_code == 200  # only version 2 has it
    assert_problem(await client.post(f"{task}/rollback", json={"version": 2}), 410, "version_erased")
    assert_equal(await life.params(task), before)
    assert [(each["version"], each["available"]) for each in await life.versions(task)] == [
        (4, True),
        (3, True),
        (2, False),
        (1, True),
    ]


async def test_what_is_not_there_cannot_be_forgotten(life: Life) -> None:
    task = await life.create()
    for example_id in ("nobody", "a/b", "a%00b", "x" * 300):
        assert_problem(await life.client.delete(f"{task}/support/{example_id}"), 404, "example_not_found")
    slashed = await life.extend(task, life.vector(2, id="a/b c"))
    assert slashed.status_code == 201
    assert (await life.client.delete(f"{task}/support/a%2Fb%20c")).status_code == 200


async def test_enough_must_be_left_to_learn_from(life: Life) -> None:
    task = await life.create()
    ids = [each["id"] for each in (await life.client.get(f"{task}/support")).json()["items"]]
    for example_id in ids[:2]:
        assert (await life.client.delete(f"{task}/support/{example_id}")).status_code == 200
    assert_problem(await life.client.delete(f"{task}/support/{ids[2]}"), 409, "too_few_labels")
    points = await life.create("curves")
    ids = [each["id"] for each in (await life.client.get(f"{points}/support")).json()["items"]]
    answers = [await life.client.delete(f"{points}/support/{example_id}") for example_id in ids]
    assert [answer.status_code for answer in answers] == [200] * (len(ids) - 1) + [409]


async def test_a_curve_is_judged_with_what_it_has(life: Life) -> None:
    points = await life.create("curves")
    near = [{"input": [500.0 + 0.0005 * number], "target": 1.0} for number in range(2)]
    assert (await life.extend(points, *near)).status_code == 201
    stamps = [{"input": [1.7e9 + 120 * number], "target": 1.0 * number} for number in range(2)]
    late = await life.client.post("/v1/tasks", json={"model": "curves", "support": stamps[:1]})
    path = late.headers["Location"]
    refused = assert_problem(await life.extend(path, stamps[1]), 422, "invalid_request")
    assert refused["errors"][0]["path"] == "support.0.input.0"
    assert (await life.extend(path, stamps[0], {"input": [0.0], "target": 0.0})).status_code == 201


async def test_support_is_listed_by_page_and_by_version(life: Life) -> None:
    task = await life.create()
    await life.extend(task, life.vector(2, id="late"))
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = (await life.client.get(f"{task}/support?limit=3{cursor and f'&cursor={cursor}'}")).json()
        found, cursor = found + page["items"], page["next_cursor"]
    assert [each["label"] for each in found] == [*"aaabbb", "c"]
    assert (found[-1]["id"], found[-1]["target"], found[-1]["since_version"]) == ("late", None, 2)
    first = (await life.client.get(f"{task}/support?version=1")).json()
    assert first["items"] == found[:-1] and first["next_cursor"] is None
    assert_problem(await life.client.get(f"{task}/support?version=3"), 404, "version_not_found")
    assert_problem(await life.client.get(f"{task}/support?cursor=!"), 422, "invalid_request")


async def test_only_so_many_versions_are_kept(life: Life) -> None:
    task = await life.create()
    for name in "wxyz":
        assert (await life.extend(task, life.vector(2, id=name))).status_code == 201
    assert [each["version"] for each in await life.versions(task)] == [5, 4, 3, 2]
    assert_problem(await life.client.post(f"{task}/rollback", json={"version": 1}), 404, "version_not_found")
    assert (await life.client.post(f"{task}/rollback", json={"version": 2})).status_code == 200


async def test_memory_is_cleared_of_what_moved_on_or_is_gone(life: Life) -> None:
    engine = life.service.engine
    tasks = [await life.create() for _ in range(3)]
    for task in tasks:
        asked = await life.client.post(f"{task}/predictions", json={"inputs": [life.vector(0)["input"]]})
        assert asked.status_code == 200
    keys = [("default", task.rpartition("/")[2]) for task in tasks]
    assert all(engine.cached_versions()[key] == 1 for key in keys)
    await life.extend(tasks[0], life.vector(2))
    await life.client.delete(tasks[1])
    async with asyncio.timeout(30):
        while keys[0] in engine.cached_versions() or keys[1] in engine.cached_versions():
            await asyncio.sleep(0.02)
    assert engine.cached_versions()[keys[2]] == 1


async def test_tasks_that_nobody_writes_to_expire(life: Life) -> None:
    task, metrics = await life.create(), life.service.metrics
    await expire_tasks(life.service.database, timedelta(hours=1), metrics)
    assert (await life.client.get(task)).status_code == 200
    assert metrics.registry.get_sample_value("kshot_expired_tasks_total") == 0
    await expire_tasks(life.service.database, timedelta(0), metrics)
    assert_problem(await life.client.get(task), 404, "task_not_found")
    expired = metrics.registry.get_sample_value("kshot_expired_tasks_total")
    assert expired is not None and expired >= 1
