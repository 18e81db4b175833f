"""Jobs and real processes: killed, stopped, two at once. Each job has its effect, and has it once."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from tests.conftest import administer
from tests.e2e.server import Server, serving

NUM_JOBS = 6  # of each kind
SUPPORT = [{"input": [x], "target": 2 * x} for x in (-1.0, 0.0, 0.5, 2.0)]


@contextmanager
def nothing_ends(database_url: str) -> Iterator[None]:
    """While a table is away that every effect needs, jobs are tried again and again, so that they go on running."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite")
    text = url.render_as_string(hide_password=False)
    administer(text, "ALTER TABLE memberships RENAME TO hidden")
    yield
    administer(text, "ALTER TABLE hidden RENAME TO memberships")


def post(server: Server, path: str, body: object, **headers: str) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=60)
    assert answer.is_success, answer.text
    return dict(answer.json())


def get(server: Server, path: str, **query: str | int) -> Any:
    return httpx.get(f"{server.url}{path}", params=query, timeout=60).json()


def jobs(server: Server, *states: str) -> list[dict[str, Any]]:
    """In these states at one moment: between two requests a job could go from one to the other."""
    return [job for job in get(server, "/v1/jobs", limit=500)["items"] if job["state"] in states]


def enqueue(server: Server, task: str) -> None:
    """Jobs that each teach the task one example, and as many that each make a task."""
    for number in range(NUM_JOBS):
        body = {"support": [{"id": f"n{number}", "input": [number / 10], "target": number / 5}]}
        post(server, f"/v1/tasks/{task}/support", body, Prefer="respond-async")
        post(server, "/v1/tasks", {"model": "curves", "support": SUPPORT, "name": "new"}, Prefer="respond-async")


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def assert_once(server: Server, task: str) -> None:
    """Every job has succeeded, and what is there is what they made."""
    wait_until(lambda: not jobs(server, "queued", "running"))
    over = jobs(server, "succeeded")
    assert len(over) == 2 * NUM_JOBS and not jobs(server, "failed")
    found = get(server, f"/v1/tasks/{task}")
    assert (found["version"], found["num_support"]) == (1 + NUM_JOBS, len(SUPPORT) + NUM_JOBS)
    made = [job["task"] for job in over if job["kind"] == "adapt"]
    new = get(server, "/v1/tasks", name="new")["items"]
    assert sorted(each["id"] for each in new) == sorted(made) and {each["version"] for each in new} == {1}


@pytest.fixture
def replicas(database_url: str, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """The first does two jobs at once, the second does one."""
    env = {"KSHOT_DATABASE_URL": database_url, "KSHOT_JOB_LEASE_S": "2", "KSHOT_JOB_ATTEMPTS": "99"}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        started = [serving(tmp_path, env=env | {"KSHOT_JOB_WORKERS": workers}) for workers in ("2", "1")]
        one, two = pool.map(stack.enter_context, started)
        yield one, two


@pytest.mark.slow
def test_a_killed_process_and_its_jobs(replicas: tuple[Server, Server], database_url: str) -> None:
    victim, heir = replicas
    task = post(heir, "/v1/tasks", {"model": "curves", "support": SUPPORT})["id"]
    with nothing_ends(database_url):
        enqueue(heir, task)
        wait_until(lambda: len(jobs(heir, "running")) == 3)  # one of them is the heir's
        victim.stop(signal.SIGKILL)
    assert_once(heir, task)
    [lost] = [
        line for line in httpx.get(f"{heir.url}/metrics").text.splitlines() if line.startswith("kshot_lost_jobs_total ")
    ]
    assert float(lost.split()[1]) >= 2


@pytest.mark.slow
def test_a_stopped_process_keeps_its_jobs(database_url: str, tmp_path: Path) -> None:
    env = {"KSHOT_DATABASE_URL": database_url, "KSHOT_JOB_LEASE_S": "3600"}  # so nobody waits for a lease to lapse
    with serving(tmp_path, env=env) as server:
        task = post(server, "/v1/tasks", {"model": "curves", "support": SUPPORT})["id"]
        with nothing_ends(database_url):
            enqueue(server, task)
            wait_until(lambda: len(jobs(server, "running")) == 2)
            server.stop(signal.SIGTERM)
    with serving(tmp_path, env=env) as server:
        assert_once(server, task)
