"""Two processes on one database agree; a killed process loses nothing; a retrained model leaves old tasks alone."""

import signal
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.restart import bodies, quick
from tests.e2e.server import Server, serving
from tests.service.tasks.digests import other_digest


def models(server: Server) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = httpx.get(f"{server.url}/v1/models").json()["items"]
    return quick(items)


def adapt(server: Server, model: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}/v1/tasks", json=bodies(model)[0], timeout=60)
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def predict(server: Server, task: str, model: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{server.url}/v1/tasks/{task}/predictions", json=bodies(model)[1], timeout=60)


def test_replicas_agree_and_reads_see_writes(database_url: str, tmp_path: Path) -> None:
    env = {"KSHOT_DATABASE_URL": database_url}
    with serving(tmp_path, env=env) as first, serving(tmp_path, env=env) as second:
        for model in models(first):
            for writer, reader in ((first, second), (second, first)):
                task = adapt(writer, model)["id"]
                answers = [predict(server, task, model) for server in (reader, writer)]
                assert [answer.status_code for answer in answers] == [200, 200]
                assert answers[0].json()["predictions"] == answers[1].json()["predictions"]
                assert httpx.delete(f"{writer.url}/v1/tasks/{task}").status_code == 204
                assert [predict(server, task, model).status_code for server in (reader, writer)] == [404, 404]


def test_a_killed_service_answers_the_same_to_the_last_bit(database_url: str, tmp_path: Path) -> None:
    env = {"KSHOT_DATABASE_URL": database_url}
    with serving(tmp_path, env=env) as server:
        known = models(server)
        tasks = [adapt(server, model)["id"] for model in known]
        before = [predict(server, task, model).json() for task, model in zip(tasks, known, strict=True)]
        server.stop(signal.SIGKILL)
    with serving(tmp_path, env=env) as server:
        after = [predict(server, task, model).json() for task, model in zip(tasks, known, strict=True)]
    assert [answer["predictions"] for answer in before] == [answer["predictions"] for answer in after]


def test_a_retrained_model_is_a_new_digest_and_old_tasks_keep_theirs(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        (vectors,) = (model for model in models(server) if model["name"] == "vectors")
        old = adapt(server, vectors)
        before = predict(server, old["id"], vectors).json()["predictions"]
    with serving(tmp_path, env={"KSHOT_MODELS": str(other_digest(tmp_path / "models", "vectors").parent)}) as server:
        (both,) = (model for model in models(server) if model["name"] == "vectors")
        assert both["digests"] == [both["digest"], vectors["digest"]]
        new = adapt(server, vectors)
        assert (new["model_digest"], old["model_digest"]) == (both["digest"], vectors["digest"])
        chosen = adapt(server, {**vectors, "name": f"vectors@{vectors['digest'][:12]}"})
        assert chosen["model_digest"] == vectors["digest"]
        assert predict(server, old["id"], vectors).json()["predictions"] == before
        assert predict(server, new["id"], vectors).json()["predictions"] != before
    with serving(tmp_path) as server:  # the new digest is not loaded any more
        refused = predict(server, new["id"], vectors)
        assert (refused.status_code, refused.json()["code"]) == (409, "model_unavailable")
        assert predict(server, old["id"], vectors).json()["predictions"] == before
