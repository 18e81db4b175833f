"""Two replicas on one database: what they were taught at once is all there, and a kill leaves no half of a version."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from service.storage import history, queries
from service.storage.database import Database
from service.storage.tables import Features, Params, Version
from tests.e2e.server import Server, serving

NUM_EXTENDS = 50
NUM_CLIENTS = 10


@pytest.fixture
def replicas(database_url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        env = {"KSHOT_DATABASE_URL": database_url, "KSHOT_MAX_VERSIONS": "1000"}
        started = [serving(tmp_path, env=env) for _ in range(2)]
        one, two = pool.map(stack.enter_context, started)
        yield one, two


@pytest.fixture
def task(replicas: tuple[Server, Server]) -> str:
    url = replicas[0].url
    dim = httpx.get(f"{url}/v1/models/vectors", timeout=60).json()["input_dim"]
    support = [example(dim, label, seed) for seed, label in enumerate("abab")]
    made = httpx.post(f"{url}/v1/tasks", json={"model": "vectors", "support": support}, timeout=60)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def example(dim: int, label: str, seed: int) -> dict[str, Any]:
    rng = Random(seed)
    return {"input": [rng.gauss(ord(label) - ord("a"), 0.1) for _ in range(dim)], "label": label}


def extend(url: str, task: str, dim: int, number: int) -> list[str]:
    """The ids of what the task was taught, after as many conflicts as it took."""
    body = {"support": [example(dim, "abc"[number % 3], number) | {"id": f"n{number}"}]}
    while True:
        answer = httpx.post(f"{url}/v1/tasks/{task}/support", json=body, timeout=120)
        if answer.status_code == 201:
            return list(answer.json()["example_ids"])
        assert answer.json()["code"] == "conflict", answer.text
        assert answer.headers["Retry-After"]


async def assert_whole(database_url: str, task: str, acknowledged: set[str]) -> None:
    """Every version has its params and all of its examples; the last has at least those that were acknowledged."""
    database = Database(database_url, busy_timeout_s=30, statement_timeout_s=30)
    async with database.read() as session:
        record = await queries.get_task(session, "default", task)
        assert record is not None
        versions = await history.list_versions(session, "default", task)
        assert [version.number for version in versions] == list(range(record.version, 0, -1))
        for version in versions:
            support = await queries.get_support(session, "default", task, version.number)
            assert len(support) == version.num_support and version.is_available
        current = await queries.get_support(session, "default", task, record.version)
        assert {example.example_id for example in current} >= acknowledged
        for table in (Version, Params):
            assert (await session.execute(select(func.count()).select_from(table))).scalar_one() == record.version
        assert (await session.execute(select(func.count()).select_from(Features))).scalar_one() == 0
    await database.close()


@pytest.mark.slow
async def test_nothing_is_lost_and_nothing_is_half(
    replicas: tuple[Server, Server], task: str, database_url: str
) -> None:
    urls = [replica.url for replica in replicas]
    dim = httpx.get(f"{urls[0]}/v1/models/vectors", timeout=60).json()["input_dim"]
    with ThreadPoolExecutor(NUM_EXTENDS) as pool:
        taught = pool.map(lambda number: extend(urls[number % 2], task, dim, number), range(NUM_EXTENDS))
        acknowledged = {example_id for ids in taught for example_id in ids}
    assert acknowledged == {f"n{number}" for number in range(NUM_EXTENDS)}
    for url in urls:
        found = httpx.get(f"{url}/v1/tasks/{task}", timeout=60).json()
        assert (found["version"], found["num_support"]) == (1 + NUM_EXTENDS, 4 + NUM_EXTENDS)
    await assert_whole(database_url, task, acknowledged)

    victim, heir = replicas
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:

        def keep_on(client: int) -> None:
            with suppress(httpx.TransportError):
                for number in range(10_000):
                    acknowledged.update(extend(victim.url, task, dim, 1_000 + 10_000 * client + number))

        asked = [pool.submit(keep_on, client) for client in range(NUM_CLIENTS)]
        num_before, end = len(acknowledged), time.monotonic() + 60
        while len(acknowledged) < num_before + 5 and time.monotonic() < end:
            time.sleep(0.01)
        victim.process.kill()
    for each in asked:
        each.result()  # a client may lose its connection, nothing else
    assert len(acknowledged) >= num_before + 5
    await assert_whole(database_url, task, acknowledged)
    acknowledged.update(extend(heir.url, task, dim, 999))  # no lock is left behind either
    await assert_whole(database_url, task, acknowledged)
