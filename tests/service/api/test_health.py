"""Probes, the catalog and the limits."""

import re
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.engine.loading import NoSuchModel, model_folders
from service.settings import Settings
from tests.service.api.serving import assert_problem, client_of, input_dim, serving, vectors


async def test_before_the_start_and_after_the_end_only_livez_answers(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("vectors",)))
    async with client_of(app) as client:
        for _ in range(2):
            assert (await client.get("/livez")).json() == {"status": "alive"}
            for path in ("/readyz", "/v1/tasks", "/v1/models", "/v1/limits"):
                answer = await client.get(path)
                assert_problem(answer, 503, "not_ready")
                assert answer.headers["retry-after"] == "1"
            assert (await client.get("/metrics")).status_code == 200
            async with app.router.lifespan_context(app):
                assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_while_draining_requests_are_served_and_readiness_is_gone(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("vectors",)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        app.state.stopping.begin(unready_s=60, drain_s=60)
        problem = assert_problem(await client.get("/readyz"), 503, "not_ready")
        assert problem["errors"] == [{"path": "service", "message": "is stopping"}]
        assert (await client.get("/v1/tasks")).status_code == 200


async def test_a_database_without_its_schema_is_not_ready(tmp_path: Path) -> None:
    async with serving(f"sqlite+aiosqlite:///{tmp_path}/new.db", "vectors") as client:
        problem = assert_problem(await client.get("/readyz"), 503, "not_ready")
        assert [error["path"] for error in problem["errors"]] == ["database"]
        assert "kshot migrate" in problem["detail"]


async def test_a_database_that_is_away_is_not_ready_and_the_process_lives() -> None:
    async with serving("postgresql+psycopg://nobody@127.0.0.1:1/none", "vectors") as client:
        assert_problem(await client.get("/readyz"), 503, "not_ready")
        assert_problem(await client.get("/v1/tasks"), 503, "database_unavailable")
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 200


async def test_a_newer_schema_is_ready(sqlite_url: str) -> None:
    import sqlite3

    with sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    database.close()
    async with serving(sqlite_url, "vectors") as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_metrics_count_what_happened(sqlite_url: str) -> None:
    async with serving(sqlite_url, "vectors") as client:
        body = {"model": "vectors", "support": vectors(await input_dim(client))}
        made = await client.post("/v1/tasks", json=body)
        await client.post(
            f"{made.headers['location']}/predictions", json={"inputs": [vectors(await input_dim(client))[0]["input"]]}
        )
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for expected in (
        'kshot_http_requests_total{method="POST",route="/v1/tasks",status="201"} 1.0',
        'kshot_http_requests_total{method="POST",route="/v1/tasks/{task_id}/predictions",status="200"} 1.0',
        'kshot_batch_tasks_count{kind="adapt"} 1.0',
        'kshot_batch_tasks_count{kind="predict"} 1.0',
        "kshot_cache_misses_total 1.0",
        "kshot_http_in_flight_requests 0.0",
    ):
        assert expected in answer.text
    names = set(re.findall(r"^# TYPE (\S+)", answer.text, re.MULTILINE))
    assert all(name.startswith("kshot_") for name in names)
    assert made.json()["id"] not in answer.text


async def test_the_catalog(sqlite_url: str) -> None:
    async with serving(sqlite_url) as client:
        listed = (await client.get("/v1/models")).json()["items"]
        by_name = {model["name"]: model for model in listed}
        assert by_name.keys() >= {"glyphs", "glyphs-maml", "vectors", "curves"}
        assert by_name["glyphs"]["modalities"] == ["image"]
        assert by_name["glyphs"]["input_dim"] is None
        assert by_name["vectors"]["input_dim"] > 0
        assert by_name["curves"]["kinds"] == ["regression"]
        for name, model in by_name.items():
            assert (await client.get(f"/v1/models/{name}")).json() == model
            assert model["digest"] == model["digests"][0]
        assert_problem(await client.get("/v1/models/nope"), 404, "model_not_found")


async def test_the_limits_are_the_settings(sqlite_url: str) -> None:
    async with serving(sqlite_url, "vectors", max_ways=7, max_body_mib=2, max_image_megapixels=0.5) as client:
        limits = (await client.get("/v1/limits")).json()
        assert (limits["max_ways"], limits["max_body_bytes"], limits["max_image_pixels"]) == (7, 2 * 2**20, 500_000)
        del limits["quotas"]
        assert (await client.get("/v1/models/vectors")).json()["limits"] == limits


async def test_the_documentation_is_served(sqlite_url: str) -> None:
    async with client_of(create_app(Settings(database_url=sqlite_url, auth="off"))) as client:
        page: httpx.Response = await client.get("/docs")
        assert page.status_code == 200 and "swagger" in page.text


async def test_only_models_that_are_named_are_served(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_ONLY_MODELS", "vectors, curves")
    async with serving(sqlite_url, only_models=Settings().only_models) as client:
        assert {model["name"] for model in (await client.get("/v1/models")).json()["items"]} == {"curves", "vectors"}
    with pytest.raises(NoSuchModel, match=r"no nonesuch, but .*curves"):
        model_folders(None, ["nonesuch", "curves"])
