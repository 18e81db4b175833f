"""What was told of a version when it was made is told again, by any replica, until what it was made of is forgotten."""

import json
from typing import Any

import pytest
from sqlalchemy import select, text

from service.app import create_app
from service.storage.tables import Table
from tests.service.api.serving import client_of
from tests.service.jobs.asking import accepted, until
from tests.service.tasks.forging import content_of, forged
from tests.service.tasks.life import Life
from tests.service.tasks.test_counts import statements
from tests.service.tasks.test_expected import labelled, made

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAFETENSORS = {"Content-Type": "application/vnd.safetensors"}
NOTHING = {"expected": None, "suspects": None}


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What is expected of it, and what looks wrong."""
    return {name: answer[name] for name in ("expected", "suspects")}


async def shown(life: Life, path: str) -> dict[str, Any]:
    """By a look at the task, by the list of tasks and by that of its versions, which must agree."""
    task = told((await life.client.get(path)).json())
    tasks = (await life.client.get("/v1/tasks")).json()["items"]
    assert [told(each) for each in tasks if path.endswith(each["id"])] == [task]
    assert told((await life.versions(path))[0]) == task
    return task


async def doubtful(life: Life) -> tuple[str, dict[str, Any]]:
    """The path of a task of which one example looks wrong, and what was answered."""
    task = await made(life, labelled(life, [0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 0], "aaaaabbbbbb"))
    assert task["expected"] is not None and len(task["suspects"]) == 1
    return f"/v1/tasks/{task['id']}", task


async def stored(life: Life) -> str:
    """All rows of all tables, as text."""
    async with life.service.database.read() as session:
        rows = [(await session.execute(select(table))).all() for table in Table.metadata.sorted_tables]
    return repr(rows)


async def test_what_was_answered_is_told_again_by_any_replica(life: Life) -> None:
    path, task = await doubtful(life)
    assert await shown(life, path) == told(task)
    app = create_app(life.service.settings)
    async with app.router.lifespan_context(app), client_of(app) as other:
        assert told((await other.get(path)).json()) == told(task)
        with statements() as sent:
            asked = await other.post(f"{path}/predictions", json={"inputs": [[0.0] * life.dim]})
    assert asked.status_code == 200 and sent and not any("outlook" in statement for statement in sent)


async def test_regressions_and_what_nobody_can_tell(life: Life) -> None:
    line = [{"input": [x / 2], "target": x + 1.0} for x in range(-5, 5)]
    curve = await made(life, line, "curves")
    assert curve["expected"].keys() == {"r2", "low", "high", "level"}
    assert await shown(life, f"/v1/tasks/{curve['id']}") == told(curve)
    short = await made(life, line[:2], "curves")
    assert await shown(life, f"/v1/tasks/{short['id']}") == told(short) == {"expected": None, "suspects": []}


async def test_each_version_has_its_own_and_a_rollback_brings_it_back(life: Life) -> None:
    path, first = await doubtful(life)
    second = (await life.extend(path, *labelled(life, [4, 0], "ba"))).json()
    assert told(second) != told(first) and second["suspects"][0]["index"] is None
    assert await shown(life, path) == told(second)
    renamed = (await life.client.patch(path, json={"name": "other"})).json()
    assert told(renamed) == await shown(life, path) == told(second)
    back = (await life.client.post(f"{path}/rollback", json={"version": 1})).json()
    assert told(back) == await shown(life, path) == told(first)
    assert [told(each) for each in await life.versions(path)] == [told(first), told(second), told(first)]
    same = (await life.client.post(f"{path}/readapt", json={})).json()  # on that digest already
    assert same["version"] == 3 and told(same) == told(first)


async def test_what_is_forgotten_is_told_of_no_version_and_lies_nowhere(life: Life) -> None:
    path, task = await doubtful(life)
    await life.extend(path, *labelled(life, [4], "b"))
    (suspect,) = task["suspects"]
    assert suspect["id"] in await stored(life)
    clean = (await life.client.delete(f"{path}/support/{suspect['id']}")).json()
    assert clean["suspects"] == [] and await shown(life, path) == told(clean)
    assert [told(each) for each in await life.versions(path)] == [told(clean), NOTHING, NOTHING]
    assert suspect["id"] not in await stored(life)


async def test_versions_of_before_it_was_kept_tell_nothing(life: Life) -> None:
    path, _ = await doubtful(life)
    of_task = {"task": path.rpartition("/")[2]}
    forgetting = text("UPDATE params SET outlook = NULL WHERE task_id = :task")
    await life.service.database.write(lambda session: session.execute(forgetting, of_task))
    assert await shown(life, path) == NOTHING
    same = (await life.client.post(f"{path}/readapt", json={})).json()
    assert told(same) == {"expected": None, "suspects": []}
    more = (await life.extend(path, *labelled(life, [4], "b"))).json()
    assert more["expected"] is not None and await shown(life, path) == told(more)


async def test_a_suspect_that_is_nobody_is_left_out_of_files(life: Life) -> None:
    path, _ = await doubtful(life)
    outlook = {"expected": None, "suspects": [{"id": "gone", "instead": "b", "probability": 0.9}]}
    damage = text("UPDATE params SET outlook = :outlook WHERE task_id = :task")
    named = {"task": path.rpartition("/")[2], "outlook": json.dumps(outlook)}
    await life.service.database.write(lambda session: session.execute(damage, named))
    exported = await life.client.get(f"{path}/export")
    assert exported.status_code == 200, exported.text
    assert told(await take_in(life, exported.content)) == {"expected": None, "suspects": []}


async def test_a_task_takes_it_along_in_its_file(life: Life) -> None:
    path, task = await doubtful(life)
    file = (await life.client.get(f"{path}/export")).content
    came = await take_in(life, file)
    assert told(came) == told(task) == await shown(life, f"/v1/tasks/{came['id']}")
    older = forged(file, lambda content, arrays: content.pop("outlook"))
    assert told(await take_in(life, older)) == {"expected": None, "suspects": []}
    line = [{"input": [x / 2], "target": x + 1.0} for x in range(-5, 5)]
    short = await made(life, line[:2], "curves")  # of which nothing is told: readers of before know no such field
    assert "outlook" not in content_of((await life.client.get(f"/v1/tasks/{short['id']}/export")).content)
    curve = await made(life, line, "curves")
    file = (await life.client.get(f"/v1/tasks/{curve['id']}/export")).content
    assert told(await take_in(life, file)) == told(curve)


async def take_in(life: Life, file: bytes) -> dict[str, Any]:
    """The answer to a file of a task."""
    answer = await life.client.post("/v1/tasks/import", content=file, headers=SAFETENSORS)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_job_tells_it_too(life: Life) -> None:
    body = {"model": "vectors", "support": labelled(life, [0, 0, 0, 4, 4, 4], "aaabbb")}
    job = await until(life, await accepted(life, body), "succeeded")
    assert job["result"]["expected"] is not None
    assert await shown(life, f"/v1/tasks/{job['task']}") == told(job["result"])
