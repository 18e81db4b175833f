"""A task that learns from earlier ones, and what becomes of that when those forget."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.schemas import CreateTask
from service.storage import audit, transfers
from service.storage.records import Source
from service.storage.tables import OwnParams, Params, Transfer
from tests.service.api.serving import assert_problem
from tests.service.tasks.life import Life, assert_equal

pytestmark = pytest.mark.asyncio(loop_scope="module")

LABELS = "pqrs"
Made: TypeAlias = Params | OwnParams | Transfer
MADE: tuple[type[Made], ...] = (Params, OwnParams, Transfer)  # what a version that learned from others has


def taught(life: Life, shots: int, seed: int, of: int = 0) -> list[dict[str, Any]]:
    """Examples of four classes that overlap; `of` says of which family of classes."""
    centres, draw = np.random.default_rng(100 + of).normal(size=(4, life.dim)), np.random.default_rng(seed)
    return [
        {
            "id": f"e{way}{n}",
            "input": (centres[way] + draw.normal(0, 1.5, life.dim)).tolist(),
            "label": f"{LABELS[way]}{of}",
        }
        for n in range(shots)
        for way in range(4)
    ]


async def create(life: Life, examples: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    body = {"model": "vectors", "support": examples, **fields}
    made = await life.client.post("/v1/tasks", json=body)
    assert made.status_code == 201, made.text
    task: dict[str, Any] = made.json()
    return task


async def family(life: Life, of: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task, and one that learned from it."""
    source = await create(life, taught(life, 3, 1, of))
    derived = await create(life, taught(life, 1, 2, of), transfer=True)
    assert derived["transferred_from"] == [source["id"]] and source["transferred_from"] == []
    return source, derived


def path(task: dict[str, Any]) -> str:
    return f"/v1/tasks/{task['id']}"


async def assert_sound(life: Life) -> None:
    async with life.service.database.read() as session:
        assert [each async for each in audit.broken(session)] == []


async def stored_of(session: AsyncSession, table: type[Made], task: dict[str, Any]) -> list[int]:
    """Of which versions of a task such rows are stored."""
    return list(await session.scalars(select(table.number).where(table.task_id == task["id"]).order_by(table.number)))


async def assert_alone(life: Life, task: dict[str, Any], version: int) -> None:
    """It is what its own examples make it, and nothing is left of what it learned from others."""
    now = (await life.client.get(path(task))).json()
    assert (now["version"], now["transferred_from"]) == (version, [])
    alone = await create(life, taught(life, 1, 2, await of(life, task)))
    assert_equal(await life.params(path(task)), await life.params(path(alone)))
    async with life.service.database.read() as session:
        assert [await stored_of(session, table, task) for table in MADE] == [[version], [], []]
    await assert_sound(life)


async def of(life: Life, task: dict[str, Any]) -> int:
    """Which family a task is of."""
    number: int = (await life.client.get(path(task))).json()["metadata"].get("of", 0)
    return number


async def test_a_task_learns_from_an_earlier_one_and_says_so(life: Life) -> None:
    source, derived = await family(life, 1)
    alone = await create(life, taught(life, 1, 2, 1))
    asked = [each["input"] for each in taught(life, 3, 7, 1)]
    truth = [each["label"] for each in taught(life, 3, 7, 1)]
    right = []
    for task in (alone, derived):
        answer = await life.client.post(f"{path(task)}/predictions", json={"inputs": asked})
        right.append(
            sum(each["label"] == label for each, label in zip(answer.json()["predictions"], truth, strict=True))
        )
    assert right[1] > right[0]
    assert (await life.versions(path(derived)))[0]["transferred_from"] == [source["id"]]
    assert (await life.client.get(path(derived))).json()["transferred_from"] == [source["id"]]
    await assert_sound(life)


async def test_what_is_unrelated_is_not_learned_from(life: Life) -> None:
    await create(life, taught(life, 3, 1, 2))
    own = taught(life, 1, 2, 2)
    mixed = [each | {"label": other["label"]} for each, other in zip(own, own[1:] + own[:1], strict=True)]
    asked, alone = await create(life, mixed, transfer=True), await create(life, mixed)
    assert asked["transferred_from"] == alone["transferred_from"] == []
    assert asked["expected"] == alone["expected"] is not None
    assert_equal(await life.params(path(asked)), await life.params(path(alone)))


async def test_nothing_is_expected_of_what_learned_from_others(life: Life) -> None:
    _, derived = await family(life, 20)
    assert derived["expected"] is None


async def test_what_a_source_forgets_is_gone_from_what_learned_from_it(life: Life) -> None:
    source, derived = await family(life, 3)
    await life.client.patch(path(derived), json={"metadata": {"of": 3}})
    before = await life.params(path(derived))
    assert (await life.client.delete(f"{path(source)}/support/e00")).status_code == 200
    await assert_alone(life, derived, 2)
    after = await life.params(path(derived))
    assert any(not np.array_equal(before[leaf], after[leaf]) for leaf in before)
    newest, first = await life.versions(path(derived))
    assert (newest["origin"], newest["available"], first["available"]) == ("forget", True, False)
    assert first["transferred_from"] == [source["id"]]  # of what was, only the name stays
    assert_problem(await life.client.get(f"{path(derived)}/weights?version=1"), 410, "version_erased")
    answer = await life.client.post(
        f"{path(derived)}/predictions", json={"inputs": [taught(life, 1, 1, 3)[0]["input"]]}
    )
    assert answer.json()["version"] == 2


async def test_what_a_learner_forgets_is_gone_from_all_that_was_made_of_it(life: Life) -> None:
    source, derived = await family(life, 11)
    more = taught(life, 1, 11, 11)[0] | {"id": "more"}
    assert (await life.extend(path(derived), more)).status_code == 201
    async with life.service.database.read() as session:
        assert [await stored_of(session, table, derived) for table in MADE] == [[1, 2]] * 3
    assert (await life.client.delete(f"{path(derived)}/support/e00")).status_code == 200
    async with life.service.database.read() as session:
        assert [await stored_of(session, table, derived) for table in MADE] == [[3]] * 3
    assert (await life.client.get(path(derived))).json()["transferred_from"] == [source["id"]]
    await assert_sound(life)


async def test_an_example_lost_with_an_old_version_is_forgotten_by_what_learned_from_it(life: Life) -> None:
    source = await create(life, taught(life, 2, 1, 12))
    assert (await life.extend(path(source), taught(life, 1, 11, 12)[0] | {"id": "more"})).status_code == 201
    derived = await create(life, taught(life, 1, 2, 12), transfer=True, metadata={"of": 12})
    assert derived["transferred_from"] == [source["id"]]
    for version in range(3, 7):  # four are kept: with the sixth goes the second, and its example
        assert (await life.client.get(path(derived))).json()["version"] == 1
        back = await life.client.post(f"{path(source)}/rollback", json={"version": 1 if version == 3 else version - 1})
        assert back.json()["version"] == version
    await assert_alone(life, derived, 2)


async def test_deleting_a_source_is_forgetting_it(life: Life) -> None:
    source, derived = await family(life, 4)
    await life.client.patch(path(derived), json={"metadata": {"of": 4}})
    assert (await life.client.delete(path(source))).status_code == 204
    await assert_alone(life, derived, 2)


async def test_extending_and_rolling_back_keep_what_was_learned(life: Life) -> None:
    source, derived = await family(life, 5)
    more = taught(life, 1, 11, 5)[0] | {"id": "more"}
    extended = (await life.extend(path(derived), more)).json()
    assert extended["transferred_from"] == [source["id"]]
    back = await life.client.post(f"{path(derived)}/rollback", json={"version": 1})
    assert (back.json()["version"], back.json()["transferred_from"]) == (3, [source["id"]])
    await life.client.delete(f"{path(source)}/support/e00")
    assert [each["available"] for each in await life.versions(path(derived))] == [True, False, False, False]
    now = (await life.client.get(path(derived))).json()
    assert (now["version"], now["num_support"], now["transferred_from"]) == (4, 4, [])
    await assert_sound(life)


async def test_who_learned_from_a_learner_learned_its_own_examples_only(life: Life) -> None:
    source, derived = await family(life, 6)
    more = [each | {"id": f"m{each['id']}"} for each in taught(life, 1, 11, 6)]
    extended = await life.extend(path(derived), *more)
    assert extended.status_code == 201, extended.text
    assert extended.json()["transferred_from"] == [source["id"]]
    await life.client.delete(path(source))
    own = taught(life, 1, 13, 6)
    third = await create(life, own, transfer=True)
    assert third["transferred_from"] == [derived["id"]]
    theirs = [each | {"id": f"d{each['id']}"} for each in (*taught(life, 1, 2, 6), *more)]
    together = await life.params(path(await create(life, [*own, *theirs])))
    for leaf, learned in (await life.params(path(third))).items():
        np.testing.assert_allclose(learned, together[leaf], rtol=1e-4, atol=1e-5)
    await life.client.delete(path(derived))
    assert (await life.client.get(path(third))).json()["transferred_from"] == []
    await assert_sound(life)


async def test_what_is_forgotten_meanwhile_is_not_learned_from(life: Life) -> None:
    source, derived = await family(life, 7)
    async with life.service.database.read() as session:
        found = select(Transfer.source_version).where(Transfer.task_id == derived["id"])
        version = (await session.execute(found)).scalar_one()
    read = Source(source["id"], version, 12)
    assert await life.service.database.write(lambda session: transfers.hold_sources(session, "default", [read]))
    await life.client.delete(f"{path(source)}/support/e10")
    assert not await life.service.database.write(lambda session: transfers.hold_sources(session, "default", [read]))
    await life.client.delete(path(source))
    assert not await life.service.database.write(lambda session: transfers.hold_sources(session, "default", [read]))


@pytest.mark.parametrize("tail", ["", "/support/e10"], ids=["a task", "an example"])
async def test_a_task_is_made_without_what_is_forgotten_while_it_is_computed(
    life: Life, monkeypatch: pytest.MonkeyPatch, tail: str
) -> None:
    number, adapt = 13 if tail else 14, life.service.engine.adapt
    source = await create(life, taught(life, 2, 1, number))

    async def forget_first(*asked: Any) -> Any:
        monkeypatch.undo()
        assert (await life.client.delete(path(source) + tail)).is_success
        return await adapt(*asked)

    monkeypatch.setattr(life.service.engine, "adapt", forget_first)
    derived = await create(life, taught(life, 1, 2, number), transfer=True)
    assert derived["transferred_from"] == ([source["id"]] if tail else [])
    own = taught(life, 1, 2, number)
    left = [each for each in taught(life, 2, 1, number) if each["id"] != "e10"] if tail else []
    together = await create(life, [*own, *({**each, "id": f"s{each['id']}"} for each in left)])
    for leaf, learned in (await life.params(path(derived))).items():
        np.testing.assert_allclose(learned, (await life.params(path(together)))[leaf], rtol=1e-4, atol=1e-5)
    await assert_sound(life)


async def test_no_tenant_learns_from_another(life: Life) -> None:
    source = await create(life, taught(life, 3, 1, 8))
    request = CreateTask.model_validate({"model": "vectors", "support": taught(life, 1, 2, 8), "transfer": True})
    deadline = 1e12
    made, _ = await life.service.tasks.adapt("another", request, deadline)
    assert made.transferred_from == []
    theirs, _ = await life.service.tasks.adapt("default", request, deadline)
    assert theirs.transferred_from == [source["id"]]


async def test_a_file_holds_what_the_task_is_by_itself(life: Life) -> None:
    _, derived = await family(life, 9)
    file = await life.client.get(f"{path(derived)}/export")
    headers = {"Content-Type": "application/octet-stream"}
    made = await life.client.post("/v1/tasks/import", content=file.content, headers=headers)
    assert made.status_code == 201, made.text
    alone = await create(life, taught(life, 1, 2, 9))
    assert made.json()["transferred_from"] == []
    assert_equal(await life.params(path(made.json())), await life.params(path(alone)))


async def test_tasks_past_their_time_are_forgotten_by_what_learned_from_them(life: Life) -> None:
    source, derived = await family(life, 10)
    await life.client.patch(path(derived), json={"metadata": {"of": 10}})
    moment = datetime.fromisoformat((await life.client.get(path(source))).json()["updated_at"]) + timedelta(
        microseconds=1
    )
    num_left = 1
    while num_left:
        num_left = await life.service.database.write(lambda session: transfers.delete_expired(session, moment, 3))
    assert_problem(await life.client.get(path(source)), 404, "task_not_found")
    await assert_alone(life, derived, 2)
    assert moment < datetime.now(UTC)


@pytest.mark.parametrize(
    ("model", "message"),
    [("glyphs-maml", "cannot learn from earlier ones"), ("vectors", None)],
)
async def test_models_that_cannot_say_so(life: Life, model: str, message: str | None) -> None:
    told = (await life.client.get(f"/v1/models/{model}")).json()
    assert told["transfer"] == (message is None)
    if message:
        answer = await life.client.post("/v1/tasks", json={"model": model, "support": [], "transfer": True})
        assert message in assert_problem(answer, 422, "invalid_request")["detail"]


async def test_curves_learn_from_curves(life: Life) -> None:
    def line(*at: float) -> list[dict[str, Any]]:
        return [{"input": [x], "target": 40 * np.sin(x) + 300} for x in at]

    source = await create(life, line(*np.linspace(-4, 4, 13)), model="curves")
    await create(life, [{"input": [x], "target": float(x)} for x in range(-5, 5)], model="curves")
    derived = await create(life, line(-2.0, 0.5, 3.0), model="curves", transfer=True)
    assert derived["transferred_from"] == [source["id"]]


async def test_rows_of_other_columns_are_not_learned_from(life: Life) -> None:
    def line(*at: float) -> list[dict[str, Any]]:
        return [{"input": [x], "target": 7 * np.sin(x + 2) - 90} for x in at]

    own = line(-2.0, 0.5, 3.0)
    source = await create(life, line(*np.linspace(-4, 4, 13)), model="curves", columns=["volt"])
    for columns, is_alike in ((["ampere"], False), (["volt"], True), (None, True)):
        named = {} if columns is None else {"columns": columns}
        derived = await create(life, own, model="curves", transfer=True, **named)
        assert (source["id"] in derived["transferred_from"]) == is_alike
        more = {"support": line(1.0), **named}
        extended = await life.client.post(f"{path(derived)}/support", json=more)
        assert (source["id"] in extended.json()["transferred_from"]) == is_alike, extended.text
        assert (await life.client.delete(path(derived))).status_code == 204
