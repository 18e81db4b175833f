"""Requests that happen once, sent to real processes: at the same time to two, and again after a kill."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import Client
from service.keys import Scope
from tests.e2e.server import Server, serving
from tests.service.samples import make_key

SUPPORT = [{"input": [x], "target": 2 * x} for x in (-1.0, 0.0, 0.5, 2.0)]
SCOPES: tuple[Scope, ...] = ("adapt", "predict")


def post(server: Server, key: str, name: str) -> httpx.Response:
    """Ask for a task of this name, under an idempotency key."""
    body = {"model": "curves", "name": name, "support": SUPPORT}
    return httpx.post(f"{server.url}/v1/tasks", json=body, headers={"Idempotency-Key": key}, timeout=60)


def ids(server: Server, name: str) -> list[str]:
    """Of the tasks of this name."""
    items = httpx.get(f"{server.url}/v1/tasks", params={"name": name}, timeout=60).json()["items"]
    return [item["id"] for item in items]


def test_two_processes_at_once(database_url: str, tmp_path: Path) -> None:
    env = {"KSHOT_DATABASE_URL": database_url}
    with serving(tmp_path, env=env) as one, serving(tmp_path, env=env) as two, ThreadPoolExecutor(8) as pool:
        for number in range(4):
            key = f"key{number}"
            answers = list(pool.map(lambda turn: post((one, two)[turn % 2], key, key), range(8)))  # noqa: B023
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
            assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
            assert ids(one, key) == ids(two, key) == [answers[0].json()["id"]]


def test_a_kill_in_between(database_url: str, tmp_path: Path) -> None:
    env = {"KSHOT_DATABASE_URL": database_url}
    answered: dict[str, bytes] = {}
    asked: list[str] = []

    def ask(server: Server, life: int) -> None:
        try:
            for number in range(10_000):
                asked.append(f"{life}.{number}")
                answered[asked[-1]] = post(server, asked[-1], asked[-1]).content
        except httpx.TransportError:
            pass

    for life in range(2):
        with serving(tmp_path, env=env) as server:
            for key, content in answered.items():
                assert post(server, key, key).content == content
            for key in asked:
                first = post(server, key, key)
                assert first.status_code == 201 and ids(server, key) == [first.json()["id"]]
            thread = threading.Thread(target=ask, args=(server, life))
            thread.start()
            while len(asked) < 5:
                time.sleep(0.01)
            server.stop(signal.SIGKILL)
            thread.join()
    assert len(answered) >= 4


class Losing(httpx.HTTPTransport):
    """A network that loses the answer to each first sending, after the service has given it."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        self.keys.append(request.headers.get("Idempotency-Key"))
        if len(self.keys) % 2:
            answer.close()
            raise httpx.ReadError("connection lost", request=request)
        return answer


@pytest.fixture
def server(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, env={"KSHOT_DATABASE_URL": sqlite_url, "KSHOT_AUTH": "on"}) as server:
        yield server


async def test_the_client_over_a_network_that_loses_answers(server: Server, sqlite_url: str) -> None:
    token = await make_key(sqlite_url, *SCOPES)
    network = Losing()
    with Client(server.url, api_key=str(token), transport=network) as kshot:
        rows: list[Any] = [row["input"] for row in SUPPORT]
        task = kshot.adapt("curves", rows, targets=[float(row[0]) for row in rows])
        assert [each.id for each in kshot.tasks()] == [task.id]
        assert len(kshot.predict(task, rows).predictions) == len(rows)
    first, second, *rest = network.keys
    assert first == second and first is not None
    assert rest == [None] * 6  # what only reads or computes needs no key: a page, the limits, predictions, each twice
