"""Rows that cannot be read: their task says so on every route, the tenant's others know nothing of it, and ways out."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from service.storage import audit
from service.storage.audit import Found
from tests.service.api.serving import assert_problem
from tests.service.tasks.life import Life

pytestmark = pytest.mark.asyncio(loop_scope="module")

TORN, OTHER, BYTES = "'{\"a'", "'5'", "CAST(x'61ff62' AS TEXT)"  # no JSON; JSON of another kind; no text
HALF = """'["\\ud83d\\uda00", "b"]'"""  # of a pair of surrogates: JSON, and no text


async def change(life: Life, task: str, column: str, value: str, more: str = "TRUE") -> None:
    """Write something else into a `table.column` of a task."""
    if value in (TORN, BYTES) and not life.service.settings.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL keeps only what can be read")
    table, _, name = column.partition(".")

    async def work(session: Any) -> None:
        where = f"{'id' if table == 'tasks' else 'task_id'} = :task AND {more}"
        statement = text(f"UPDATE {table} SET {name} = {value} WHERE {where}")
        await session.execute(statement, {"task": task.rpartition("/")[2]})

    await life.service.database.write(work)
    for key, version in life.service.engine.cached_versions().items():
        life.service.engine.drop(key, version)


async def listed(life: Life, limit: int) -> list[str]:
    """The paths of all tasks, by pages of so many."""
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await life.client.get("/v1/tasks", params=query)).json()
        found += [f"/v1/tasks/{item['id']}" for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def predict(life: Life, task: str) -> Any:
    return await life.client.post(f"{task}/predictions", json={"inputs": [life.vector(0.0)["input"]]})


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tasks.prior", TORN),
        ("tasks.prior", OTHER),
        ("tasks.metadata", TORN),
        ("tasks.name", BYTES),
        ("versions.labels", TORN),
        ("versions.labels", OTHER),
        ("versions.labels", BYTES),
        ("versions.labels", HALF),
    ],
)
async def test_a_task_that_cannot_be_read_says_so_alone(life: Life, column: str, value: str) -> None:
    tasks = [await life.create() for _ in range(6)]
    before = await listed(life, 50)
    await change(life, tasks[3], column, value)
    answers = await asyncio.gather(*(predict(life, task) for task in tasks))
    is_asked = column in ("tasks.prior", "versions.labels")  # predictions need no more
    assert [answer.status_code for answer in answers] == [200, 200, 200, 409 if is_asked else 200, 200, 200]
    for path in ("", "/support", "/versions", "/weights", "/export"):
        answer = await life.client.get(tasks[3] + path)
        if path != "/versions" or column.startswith("tasks"):
            assert_problem(answer, 409, "task_damaged")
        assert answer.status_code < 500
    assert_problem(await life.extend(tasks[3], life.vector(2.0)), 409, "task_damaged")
    for limit in (2, 3, 50):
        assert await listed(life, limit) == [task for task in before if task != tasks[3]]
    assert (await life.client.delete(tasks[3])).status_code == 204


@pytest.mark.parametrize("value", [TORN, OTHER, "'{\"expected\": 1}'"])
async def test_what_was_told_of_a_task_harms_it_nowhere(life: Life, value: str) -> None:
    task = await life.create()
    await change(life, task, "params.outlook", value)
    for path in ("", "/support", "/versions", "/weights", "/export"):
        assert (await life.client.get(task + path)).status_code == 200
    assert (await predict(life, task)).status_code == 200
    assert task in await listed(life, 50)
    found = (await life.client.get(task)).json()
    assert (found["expected"], found["suspects"]) == (None, None)
    assert (await life.extend(task, life.vector(2.0))).json()["expected"] is not None


async def test_a_label_that_is_no_text_harms_nobody_else(life: Life) -> None:
    task, other = await life.create(), await life.create()
    await change(life, task, "versions.labels", HALF)
    answers = await asyncio.gather(predict(life, task), predict(life, other))
    assert_problem(answers[0], 409, "task_damaged")
    assert answers[1].status_code == 200


@pytest.mark.parametrize("column", ["prior", "metadata"])
async def test_what_is_said_of_a_task_can_be_said_anew(life: Life, column: str) -> None:
    task = await life.create()
    await change(life, task, f"tasks.{column}", OTHER)
    assert_problem(await life.client.get(task), 409, "task_damaged")
    said = {"prior": "uniform"} if column == "prior" else {"metadata": {"a": 1}}
    assert (await life.client.patch(task, json=said)).status_code == 200
    assert (await life.client.get(task)).json()[column] == said[column]


@pytest.mark.parametrize("column", ["labels", "preprocessing", "libraries"])
async def test_a_version_is_made_anew_or_left(life: Life, column: str) -> None:
    task = await life.create()
    expected = (await predict(life, task)).json()["predictions"]
    await life.extend(task, life.vector(2.0))
    taught = (await predict(life, task)).json()["predictions"]
    await change(life, task, f"versions.{column}", OTHER, "number = 2")
    readapted = await life.client.post(f"{task}/readapt", json={})
    assert readapted.json()["version"] == 3 and readapted.json()["labels"] == ["a", "b", "c"]
    assert (await predict(life, task)).json()["predictions"] == taught
    if column == "labels":  # which a list of versions tells
        assert [version["version"] for version in await life.versions(task)] == [3, 1]
    assert_problem(await life.client.post(f"{task}/rollback", json={"version": 2}), 409, "task_damaged")
    assert (await life.client.post(f"{task}/rollback", json={"version": 1})).status_code == 200
    assert (await predict(life, task)).json()["predictions"] == expected


OTHER_BYTES = {"sqlite": "zeroblob(length(input))", "postgresql": "decode(repeat('00', length(input)), 'hex')"}
FEWER_BYTES = {"sqlite": "zeroblob(2)", "postgresql": "decode('0000', 'hex')"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("labels", "'{}'"), ("target", "'{}'"), ("slots", "'{}'"), ("input", FEWER_BYTES), ("input", OTHER_BYTES)],
    ids=["labels", "target", "slots", "cut", "flipped"],
)
async def test_an_example_is_named_and_forgotten_with_the_others(life: Life, column: str, value: Any) -> None:
    support = [life.vector(float(at), label) | {"id": f"{label}{at}"} for label in "ab" for at in range(3)]
    made = await life.client.post("/v1/tasks", json={"model": "vectors", "support": support})
    task = f"/v1/tasks/{made.json()['id']}"
    if column == "input":
        value = value["sqlite" if life.service.settings.database_url.startswith("sqlite") else "postgresql"]
    await change(life, task, f"examples.{column}", value, "example_id IN ('a0', 'b1')")
    for answer in (
        await life.extend(task, life.vector(2.0)),
        await life.client.get(f"{task}/export"),
        await life.client.get(f"{task}/support" if column != "input" else f"{task}/export"),
    ):
        assert "'a0'" in assert_problem(answer, 409, "task_damaged")["detail"]
    assert (await life.client.post(f"{task}/readapt", json={})).json()["version"] == 1  # its params are whole
    forgotten = await life.client.delete(f"{task}/support/a1")
    assert (forgotten.json()["num_support"], forgotten.json()["forgotten"]) == (3, ["a0", "a1", "b1"])
    left = (await life.client.get(f"{task}/support")).json()["items"]
    assert [example["id"] for example in left] == ["a2", "b0", "b2"]
    assert (await life.extend(task, life.vector(2.0))).status_code == 201


async def test_the_doctor_finds_inputs(life: Life) -> None:
    task = await life.create()
    value = OTHER_BYTES["sqlite" if life.service.settings.database_url.startswith("sqlite") else "postgresql"]
    await change(life, task, "examples.input", value, "ordinal = 2")
    async with life.service.database.read() as session:
        found = [each async for each in audit.changed(session)]
    assert Found(audit.INPUTS, "default", f"{task.rpartition('/')[2]} 2") in found
    assert (await life.client.delete(task)).status_code == 204


async def test_the_doctor_finds_rows(life: Life) -> None:
    task = await life.create()
    await change(life, task, "versions.labels", TORN)
    async with life.service.database.read() as session:
        found = [each async for each in audit.unreadable(session)]
    name = task.rpartition("/")[2]
    assert Found("versions can be read", "default", f"{name} 1") in found
    assert (await life.client.delete(task)).status_code == 204
