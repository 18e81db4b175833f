"""Rows that are damaged under the service: that task alone says so, nobody answers 500, and the ways to repair it."""

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from service.codec import pack_params
from service.storage import audit, queries
from service.storage.earlier import taught_by
from service.storage.records import Source
from tests.service.api.serving import assert_problem
from tests.service.tasks.life import Life, assert_equal

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLIPPED, CUT, FOREIGN = "flipped", "cut", "foreign"


async def damage(
    life: Life, task: str, how: str, table: str = "params", version: int | None = None, more: str = "TRUE"
) -> None:
    """Change the stored bytes of a task, as a disk may."""
    async with life.service.database.read() as session:
        column = "input" if table == "examples" else "data"
        key = {"task": task.rpartition("/")[2]}
        where = f"task_id = :task AND {more}" + ("" if version is None else f" AND number = {version}")
        found = await session.execute(text(f"SELECT {column} FROM {table} WHERE {where}"), key)
        data = bytes(found.first()[0])  # type: ignore[index]
    params = {name: leaf[..., :-1] for name, leaf in (await life.params(task)).items()}
    made = {FLIPPED: data[:-1] + bytes([data[-1] ^ 1]), CUT: data[:-5], FOREIGN: pack_params(params, {})}[how]
    digest = ", digest = :digest" if how == FOREIGN else ""

    async def change(session: Any) -> None:
        values = key | {"data": made} | ({"digest": sha256(made).hexdigest()} if digest else {})
        await session.execute(text(f"UPDATE {table} SET {column} = :data{digest} WHERE {where}"), values)

    await life.service.database.write(change)


async def predict(life: Life, task: str) -> Any:
    return await life.client.post(f"{task}/predictions", json={"inputs": [life.vector(0.0)["input"]]})


@pytest.mark.parametrize("how", [FLIPPED, CUT, FOREIGN])
async def test_damaged_params_are_told_of_that_task_alone_and_repaired(life: Life, how: str) -> None:
    tasks = [await life.create() for _ in range(5)]
    expected = [(await predict(life, task)).json()["predictions"] for task in tasks]
    for key, version in life.service.engine.cached_versions().items():
        life.service.engine.drop(key, version)
    await damage(life, tasks[2], how)
    answers = await asyncio.gather(*(predict(life, task) for task in tasks))
    assert [answer.status_code for answer in answers] == [200, 200, 409, 200, 200]
    problem = assert_problem(answers[2], 409, "task_damaged")
    assert ("axes" if how == FOREIGN else "digest") in problem["detail"]
    assert [each.json()["predictions"] for each in answers if each.status_code == 200] == expected[:2] + expected[3:]
    for path in ("weights", "export"):
        assert_problem(await life.client.get(f"{tasks[2]}/{path}"), 409, "task_damaged")
    assert_problem(await life.client.post(f"{tasks[2]}/rollback", json={"version": 1}), 409, "task_damaged")
    assert (await life.client.post(f"{tasks[2]}/readapt", json={})).json()["version"] == 2
    assert (await predict(life, tasks[2])).json()["predictions"] == expected[2]
    assert (await life.client.post(f"{tasks[0]}/readapt", json={})).json()["version"] == 1  # nothing was wrong with it


async def test_the_way_back_to_a_version_that_is_whole(life: Life) -> None:
    task = await life.create()
    expected = (await predict(life, task)).json()["predictions"]
    await life.extend(task, life.vector(2.0))
    await damage(life, task, FLIPPED, version=2)
    assert_problem(await predict(life, task), 409, "task_damaged")
    assert (await life.client.post(f"{task}/rollback", json={"version": 1})).status_code == 200
    assert (await predict(life, task)).json()["predictions"] == expected


@pytest.mark.parametrize("table", ["examples", "features"])
async def test_examples_that_are_cut_are_no_mistake_of_ours(life: Life, table: str) -> None:
    task, other = await life.create("glyphs"), await life.create("glyphs")
    await damage(life, task, CUT, table)
    example = (await life.client.get(f"{task}/support")).json()["items"][0]["id"]
    forgotten = await life.client.delete(f"{task}/support/{example}")
    if table == "features":  # they are made anew
        assert forgotten.json()["num_support"] == 3
        assert (await life.client.get(f"{task}/export")).status_code == 200
    else:  # none is left
        assert_problem(forgotten, 409, "too_few_labels")
        assert example in assert_problem(await life.client.get(f"{task}/export"), 409, "task_damaged")["detail"]
    assert (await life.client.get(f"{other}/export")).status_code == 200
    assert (await life.client.delete(task)).status_code == 204


async def test_features_that_are_flipped_are_made_anew_and_found_by_the_doctor(life: Life) -> None:
    task, twin = await life.create("glyphs"), await life.create("glyphs")
    await damage(life, task, FLIPPED, "features")
    async with life.service.database.read() as session:
        found = [each async for each in audit.changed(session) if task.endswith(each.key.split()[0])]
    assert {each.law for each in found} == {audit.FEATURES} and len(found) == 4
    for path in (task, twin):
        example = (await life.client.get(f"{path}/support")).json()["items"][0]["id"]
        assert (await life.client.delete(f"{path}/support/{example}")).json()["num_support"] == 3
    assert_equal(await life.params(task), await life.params(twin))
    for path in (task, twin):
        assert (await life.client.get(f"{path}/export")).status_code == 200
        assert (await life.client.delete(path)).status_code == 204


@pytest.mark.parametrize("which", ["ordinal = 1", "1 = 1"], ids=["one", "all"])
async def test_a_readaptation_makes_flipped_features_anew(life: Life, which: str) -> None:
    task = await life.create("glyphs")
    await damage(life, task, FLIPPED, "features", more=which)
    assert (await life.client.post(f"{task}/readapt", json={})).json()["version"] == 2
    async with life.service.database.read() as session:
        assert not [each async for each in audit.changed(session) if task.endswith(each.key.split()[0])]
    assert (await life.client.post(f"{task}/readapt", json={})).json()["version"] == 2  # nothing is wrong any more


async def test_what_is_damaged_of_a_task_teaches_no_other(life: Life) -> None:
    task = await life.create("glyphs")
    async with life.service.database.read() as session:
        record = await queries.get_task(session, "default", task.rpartition("/")[2])
    assert record is not None
    source = Source(record.id, record.version, record.num_support)
    for table, has_features in (("features", True), ("examples", False)):
        for num_taught in (4, 0):
            async with life.service.database.read() as session:
                taught = await taught_by(
                    session, "default", source, record.model_digest, has_features=has_features, limit=9
                )
            # all are given the first one's bytes, changed
            assert len(taught) == num_taught
            if num_taught:
                await damage(life, task, FLIPPED, table)
    assert (await life.client.delete(task)).status_code == 204
