"""A task moves to another digest of its model and back, through HTTP, on both databases."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.app import create_app
from service.settings import Settings
from service.storage.tables import Features, Version
from tests.service.api.serving import assert_problem, client_of, curve, input_dim, picture
from tests.service.codec.pictures import saved, stroke
from tests.service.tasks.digests import other_digest
from tests.service.tasks.life import Life, assert_equal

X = [[0.5], [2.5]]


@asynccontextmanager
async def living(url: str, models: Path | None, **settings: Any) -> AsyncIterator[Life]:
    """A service with these models beside some of those that ship."""
    others = {json.loads(card.read_text())["name"] for card in models.glob("*/model.json")} if models else set()
    only = ("curves", "glyphs", "glyphs-maml", "vectors", *others)
    app = create_app(Settings(database_url=url, threads=1, auth="off", models=models, only_models=only, **settings))
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Life(client, app.state.service, await input_dim(client))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of newer digests of `curves` and `vectors`; those of vectors take fewer numbers."""
    folder = tmp_path_factory.mktemp("newer")
    other_digest(folder, "curves")
    other_digest(folder, "curves", year=2031, name="points")
    other_digest(folder, "vectors", inputs={"name": "vector", "dim": 8})
    yield folder


async def features_of(life: Life, task: str) -> set[tuple[str, int]]:
    """The digest and the ordinal of all that is kept of what models made of the task's examples."""
    async with life.service.database.read() as session:
        found = select(Features.model_digest, Features.ordinal).where(Features.task_id == task.rpartition("/")[2])
        return {(digest, ordinal) for digest, ordinal in await session.execute(found)}


async def answers(life: Life, task: str) -> Any:
    asked = await life.client.post(f"{task}/predictions", json={"inputs": X})
    return asked.json()["predictions"] if asked.is_success else asked.json()["code"]


async def test_there_and_back(database_url: str, newer: Path) -> None:
    async with living(database_url, None) as life:
        task = await life.create("curves")
        old, answered = (await life.client.get(task)).json(), await answers(life, task)
        same = await life.client.post(f"{task}/readapt")
        assert (same.status_code, same.headers["ETag"], same.json()["version"]) == (200, '"1"', 1)
    async with living(database_url, newer) as life:
        assert await answers(life, task) == answered  # pinned
        stale = await life.client.post(f"{task}/readapt", headers={"If-Match": '"7"'})
        assert_problem(stale, 412, "precondition_failed")
        moved = await life.client.post(f"{task}/readapt", headers={"Idempotency-Key": "k"})
        assert (moved.status_code, moved.headers["ETag"], moved.json()["version"]) == (200, '"2"', 2)
        digest = moved.json()["model_digest"]
        assert digest == (await life.client.get("/v1/models/curves")).json()["digest"] != old["model_digest"]
        assert (await life.versions(task))[0]["origin"] == "readapt"
        assert await answers(life, task) != answered
        fresh = await life.create("curves")
        assert_equal(await life.params(task), await life.params(fresh))  # as if it had been made on this digest
        again = await life.client.post(f"{task}/readapt", json={}, headers={"Idempotency-Key": "j"})
        assert again.json()["version"] == 2 and again.headers["ETag"] == '"2"'
        first = await life.client.post(f"{task}/readapt", headers={"Idempotency-Key": "k"})
        assert (first.content, first.headers["Idempotency-Replayed"]) == (moved.content, "true")
        await life.extend(task, {"input": [4.5], "target": 10.0})
        back = await life.client.post(f"{task}/rollback", json={"version": 1})
        assert back.json()["model_digest"] == old["model_digest"]
        assert await answers(life, task) == answered
        named = await life.client.post(f"{task}/readapt", json={"model_digest": digest[:9]})
        assert (named.json()["version"], named.json()["num_support"]) == (5, 6)
        assert_equal(await life.params(task), await life.params(fresh))
        missing = await life.client.post(f"{task}/readapt", json={"model_digest": "0" * 64})
        assert_problem(missing, 404, "model_not_found")
        assert_problem(await life.client.post(f"{task}/readapt", json={"digest": "0"}), 422, "invalid_request")
        assert_problem(await life.client.post(f"{task}/readapt", content=b"{"), 415, "unsupported_media_type")


async def test_from_a_digest_that_is_not_loaded(database_url: str, newer: Path) -> None:
    async with living(database_url, newer) as life:
        task = await life.create("curves")
        vectors = (await life.client.post("/v1/tasks", json={"model": "vectors", "support": short_vectors()})).json()
    async with living(database_url, None) as life:
        assert await answers(life, task) == "model_unavailable"
        moved = await life.client.post(f"{task}/readapt")
        assert moved.status_code == 200
        assert_equal(await life.params(task), await life.params(await life.create("curves")))
        assert len(await answers(life, task)) == 2
        problem = assert_problem(await life.client.post(f"/v1/tasks/{vectors['id']}/readapt"), 409, "cannot_readapt")
        assert "'dim': 64" in problem["detail"]


def short_vectors() -> list[dict[str, Any]]:
    return [{"input": [float(n % 2)] * 8, "label": "ab"[n % 2]} for n in range(4)]


async def test_other_preprocessing_is_refused_though_its_digest_is_gone(database_url: str, tmp_path: Path) -> None:
    other_digest(tmp_path, "glyphs-maml", inputs={"name": "glyph", "size": 28, "margin": 4})  # of the same size
    async with living(database_url, tmp_path) as life:
        support = [{"input": picture(saved(stroke(size))), "label": f"{size}"} for size in ((40, 30), (20, 60))]
        made = await life.client.post("/v1/tasks", json={"model": "glyphs-maml", "support": support})
        task = f"/v1/tasks/{made.json()['id']}"
    async with living(database_url, None) as life:
        problem = assert_problem(await life.client.post(f"{task}/readapt"), 409, "cannot_readapt")
        assert "'margin': 4" in problem["detail"] and "'margin': 2" in problem["detail"]
        unknown = update(Version).values(preprocessing=None)  # as the version before wrote it

        async def forgotten(session: AsyncSession) -> None:
            await session.execute(unknown)

        await life.service.database.write(forgotten)
        assert (await life.client.post(f"{task}/readapt")).status_code == 200


async def test_inputs_made_for_another_model_are_refused(sqlite_url: str, newer: Path) -> None:
    async with living(sqlite_url, newer) as life:
        old = (await life.client.get("/v1/models/vectors")).json()["digests"][1]
        support = [{"input": [float(n % 2)] * 64, "label": "ab"[n % 2]} for n in range(4)]
        made = await life.client.post("/v1/tasks", json={"model": f"vectors@{old}", "support": support})
        task = f"/v1/tasks/{made.json()['id']}"
        assert_problem(await life.client.post(f"{task}/readapt"), 409, "cannot_readapt")
        assert (await life.client.get(task)).headers["ETag"] == '"1"'
        same = await life.client.post(f"{task}/readapt", json={"model_digest": old})
        assert (same.status_code, same.headers["ETag"]) == (200, '"1"')


async def test_a_model_that_is_gone_by_name(sqlite_url: str, newer: Path) -> None:
    async with living(sqlite_url, newer) as life:
        made = await life.client.post("/v1/tasks", json={"model": "points", "support": curve()})
        task = f"/v1/tasks/{made.json()['id']}"
    async with living(sqlite_url, None) as life:
        assert_problem(await life.client.post(f"{task}/readapt"), 409, "model_unavailable")


async def test_features_of_a_digest_go_with_its_last_version(database_url: str, tmp_path: Path) -> None:
    other_digest(tmp_path, "glyphs")
    async with living(database_url, None) as life:
        task = await life.create("glyphs")
        old = (await life.client.get(task)).json()
    async with living(database_url, tmp_path, max_versions=2) as life:
        digest, num = (await life.client.post(f"{task}/readapt")).json()["model_digest"], old["num_support"]
        assert await features_of(life, task) == {(d, n) for d in (digest, old["model_digest"]) for n in range(num)}
        extended = await life.extend(task, {"input": picture(), "label": "more"})
        assert extended.json()["version"] == 3
        assert await features_of(life, task) == {(digest, ordinal) for ordinal in range(num + 1)}
