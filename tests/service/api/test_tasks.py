"""The routes of tasks over the real service, its models and a database."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from starlette.types import Message

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import JSON, assert_problem, curve, input_dim, picture, serving, vectors


@pytest.fixture
async def client(sqlite_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(sqlite_url, "curves", "glyphs", "vectors") as client:
        yield client


async def test_a_classifier_is_made_asked_and_deleted(client: httpx.AsyncClient) -> None:
    support = vectors(await input_dim(client), "abc")
    metadata = {"owner": "é", "nothing": None, "deep": [{"a": 1.5}]}
    body = {"model": "vectors", "name": "first", "support": support, "metadata": metadata}
    made = await client.post("/v1/tasks", json=body)
    assert made.status_code == 201
    task = made.json()
    timing, truncated, ids = (task.pop(name) for name in ("timing", "truncated", "example_ids"))
    assert len(set(ids)) == 9
    assert truncated == task.pop("truncated_names") == task["suspects"] == task.pop("forgotten") == []
    assert task["expected"]["accuracy"] > 0.5
    assert timing["compute_ms"] > 0 and timing["queue_ms"] >= 0
    assert made.headers["location"] == f"/v1/tasks/{task['id']}"
    assert made.headers["etag"] == '"1"'
    expected = {"model": "vectors", "name": "first", "kind": "classification", "labels": ["a", "b", "c"]}
    assert task.items() >= (expected | {"version": 1, "num_support": 9, "metadata": metadata}).items()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(task["created_at"])).total_seconds() < 60

    read = await client.get(made.headers["location"])
    assert (read.json(), read.headers["etag"]) == (task, '"1"')

    queries = {"inputs": [row["input"] for row in support], "top": 2}
    answered = await client.post(f"{made.headers['location']}/predictions", json=queries)
    assert answered.status_code == 200
    assert (answered.json()["task"], answered.json()["version"]) == (task["id"], 1)
    answers = answered.json()["predictions"]
    assert len(answers) == 9
    assert all(
        len(each["scores"]) == 2 and each["label"] == max(each["scores"], key=each["scores"].get) for each in answers
    )
    again = await client.post(f"{made.headers['location']}/predictions", json=queries)
    assert again.json()["predictions"] == answers

    gone = await client.delete(made.headers["location"])
    assert (gone.status_code, gone.content) == (204, b"")
    for method, tail, content in (("GET", "", {}), ("DELETE", "", {}), ("POST", "/predictions", queries)):
        answer = await client.request(method, made.headers["location"] + tail, json=content)
        assert_problem(answer, 404, "task_not_found")


@pytest.mark.parametrize("listed", [False, True])
async def test_a_curve_answers_as_it_was_asked(client: httpx.AsyncClient, listed: bool) -> None:
    support = [row | {"target": [row["target"]] if listed else row["target"]} for row in curve()]
    made = await client.post("/v1/tasks", json={"model": "curves", "support": support})
    assert made.status_code == 201
    assert (made.json()["kind"], made.json()["labels"]) == ("regression", None)
    answered = await client.post(f"/v1/tasks/{made.json()['id']}/predictions", json={"inputs": [[0.5], [1.5]]})
    first = answered.json()["predictions"][0]
    assert first.keys() == {"mean", "std"}
    assert [isinstance(value, list) for value in first.values()] == [listed, listed]


@pytest.mark.parametrize(("lowest", "step"), [(0.0, 20.0), (273.15, 8.0), (-4e-6, 1e-6), (0.0, 13107.0)])
async def test_a_curve_is_in_any_unit(client: httpx.AsyncClient, lowest: float, step: float) -> None:
    support = [{"input": [lowest + step * place], "target": 10 * place} for place in range(6)]
    made = await client.post("/v1/tasks", json={"model": "curves", "support": support})
    assert made.status_code == 201, made.text
    asked = [[lowest + step * place] for place in (0.5, 2.5, 8.0, 100.0)]
    answered = (await client.post(f"{made.headers['location']}/predictions", json={"inputs": asked})).json()
    near, middle, far, farther = answered["predictions"]
    assert [near["mean"], middle["mean"]] == pytest.approx([5, 25], abs=0.5)
    assert 10 * middle["std"] < 2 * far["std"] < farther["std"]
    assert abs(far["mean"] - 80) < 3 * far["std"]


async def test_images_of_one_label_each(client: httpx.AsyncClient) -> None:
    support = [{"input": picture(), "label": "bar"}, {"input": picture(), "label": "stroke"}]
    made = await client.post("/v1/tasks", json={"model": "glyphs", "support": support})
    assert made.status_code == 201
    answered = await client.post(f"/v1/tasks/{made.json()['id']}/predictions", json={"inputs": [picture()] * 3})
    assert [each["scores"].keys() for each in answered.json()["predictions"]] == [{"bar", "stroke"}] * 3


async def test_strange_but_honest_labels_survive(client: httpx.AsyncClient) -> None:
    labels = [
        "a",
        "A",
        " é",
        "<b>",
        "🦊",
        "a'; DROP TABLE tasks; --",
        "\u202eright to left",
        "x" * 200,
        "\x01\ufffe\ue000",
    ]
    dim = await input_dim(client)
    support = [row | {"label": label} for row, label in zip(vectors(dim, "abcdefghi", 1), labels, strict=True)]
    made = await client.post("/v1/tasks", json={"model": "vectors", "support": support})
    assert made.json()["labels"] == labels
    answered = await client.post(f"/v1/tasks/{made.json()['id']}/predictions", json={"inputs": [support[0]["input"]]})
    assert answered.json()["predictions"][0]["scores"].keys() == set(labels)
    assert (await client.get(f"/v1/tasks/{made.json()['id']}")).json()["labels"] == labels


async def test_pages_hold_every_task_once_newest_first(client: httpx.AsyncClient) -> None:
    dim = await input_dim(client)
    made = []
    for number in range(5):
        body = {"model": "vectors", "name": f"n{number % 2}", "support": vectors(dim)}
        made.append((await client.post("/v1/tasks", json=body)).json()["id"])
    query: dict[str, str | int] = {"limit": 2}
    sizes, seen = [], []
    while True:
        page = (await client.get("/v1/tasks", params=query)).json()
        sizes.append(len(page["items"]))
        seen += [task["id"] for task in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert (sizes, seen) == ([2, 2, 1], made[::-1])
    named = (await client.get("/v1/tasks", params={"name": "n1", "model": "vectors"})).json()
    assert [task["id"] for task in named["items"]] == [made[3], made[1]]
    assert (await client.get("/v1/tasks", params={"model": "curves"})).json() == {"items": [], "next_cursor": None}


async def test_many_at_once(client: httpx.AsyncClient) -> None:
    body = {"model": "vectors", "support": vectors(await input_dim(client))}
    made = await asyncio.gather(*(client.post("/v1/tasks", json=body) for _ in range(20)))
    assert {answer.status_code for answer in made} == {201}
    queries = {"inputs": [body["support"][0]["input"]]}  # type: ignore[index]
    urls = [f"{answer.headers['location']}/predictions" for answer in made]
    answers = await asyncio.gather(*(client.post(url, json=queries) for url in urls))
    assert len({json.dumps(answer.json()["predictions"]) for answer in answers}) <= 2  # batched or not: the last bit


async def test_a_task_is_committed_before_its_answer_starts(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves", "vectors")))
    committed: list[int] = []

    async def spied(scope: object, receive: object, send: object) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 201:
                with sqlite3.connect(sqlite_url.removeprefix("sqlite+aiosqlite:///")) as other:
                    committed.append(other.execute("SELECT count(*) FROM params").fetchone()[0])
                other.close()
            await send(message)  # type: ignore[operator]

        await app(scope, receive, watch)  # type: ignore[arg-type]

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(spied), base_url="http://kshot") as client,
    ):
        body = {"model": "vectors", "support": vectors(await input_dim(client))}
        await client.post("/v1/tasks", json=body)
        await client.post("/v1/tasks", json=body)
    assert committed == [1, 2]


async def test_what_postgresql_cannot_store_never_reaches_it(postgresql_url: str) -> None:
    async with serving(postgresql_url, "curves", "glyphs", "vectors") as client:
        support = vectors(await input_dim(client))
        made = await client.post("/v1/tasks", json={"model": "vectors", "name": "é🦊\x01", "support": support})
        assert made.status_code == 201
        for path in ("/v1/tasks/%00", "/v1/tasks/task_%00", "/v1/models/%00"):
            assert (await client.get(path)).status_code == 404
        for query in ("name=%00", "model=%00", "cursor=%00"):
            assert_problem(await client.get(f"/v1/tasks?{query}"), 422, "invalid_request")
        assert (await client.delete("/v1/tasks/%00")).status_code == 404
        for field, value in (("name", "\0"), ("metadata", {"a": "\0"}), ("model", "\0")):
            body = {"model": "vectors", "support": support, field: value}
            answer = await client.post("/v1/tasks", content=json.dumps(body), headers=JSON)
            assert_problem(answer, 422, "invalid_request")


async def test_behind_a_proxy_the_location_has_its_prefix(sqlite_url: str) -> None:
    app = create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves", "vectors")))
    transport = httpx.ASGITransport(app, root_path="/kshot")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://host/kshot/") as client,
    ):
        made = await client.post("v1/tasks", json={"model": "vectors", "support": vectors(await input_dim_at(client))})
        assert made.headers["location"] == f"/kshot/v1/tasks/{made.json()['id']}"


async def input_dim_at(client: httpx.AsyncClient) -> int:
    return int((await client.get("v1/models/vectors")).json()["input_dim"])


@pytest.mark.asyncio(loop_scope="module")
async def test_the_root_says_where_to_begin(client: httpx.AsyncClient) -> None:
    places = (await client.get("/")).json()
    assert places["documentation"] == "/docs"
    assert [(await client.get(path)).status_code for path in places.values()] == [200] * len(places)
