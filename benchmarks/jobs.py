"""How soon a job is begun after it was accepted: `python -m benchmarks.jobs`, two `kshot serve` on one database.

The first accepts and may do jobs itself in one row; in the other it has no worker, and the second process must find
them in the database.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer

from benchmarks.page import command, put, table
from service.client import Client
from service.schemas import Job

HEAD = ("job pickup, ms", "median", "p95", "most")
INPUTS, TARGETS = [[-1.0], [0.0], [0.5], [2.0]], [-2.0, 0.0, 1.0, 4.0]
START_TIMEOUT_S = 300.0
PAUSE_S = 0.137  # between jobs: no multiple of the interval in which others look for them

Results = Annotated[Path, typer.Option(help="The page of the table.")]
Url = Annotated[str | None, typer.Option(help="An empty database.", show_default="SQLite in a folder that goes")]


def main(num_jobs: int = 60, database_url: Url = None, results: Results = Path("docs/results.md")) -> None:
    """Measure both ways that a job can go, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        url = database_url or f"sqlite+aiosqlite:///{folder}/kshot.db"
        rows = []
        for workers, name in ((2, "in the process that accepted it"), (0, "in another process")):
            with ExitStack() as stack:
                accepting = stack.enter_context(serving(Path(folder), url, workers))
                stack.enter_context(serving(Path(folder), url, 0 if workers else 2))
                rows.append(row(name, pickups(accepting, num_jobs)))
    kind = url.partition("+")[0].partition(":")[0]
    load = os.getloadavg()[0]
    caption = (
        f"`{command('jobs')}`, {os.cpu_count()} cores at a load of {load:.1f}, "
        f"{kind}. From `created_at` to `started_at`, of {num_jobs} jobs one after another; two processes."
    )
    text = f"{caption}\n\n{table(HEAD, rows)}"
    put(results, f"job pickup, {kind}", text)
    print(text)


def pickups(url: str, num_jobs: int) -> list[float]:
    """Milliseconds between the moments that the database has of each job."""
    with Client(url) as kshot:
        jobs = []
        for _ in range(num_jobs):
            jobs.append(kshot.adapt_later("curves", INPUTS, targets=TARGETS))
            time.sleep(PAUSE_S)
        return [pickup_ms(kshot.wait(job)) for job in jobs]


def pickup_ms(job: Job) -> float:
    """From when a job was accepted to when it was begun."""
    assert job.started_at is not None
    return (job.started_at - job.created_at).total_seconds() * 1000


def row(name: str, ms: Sequence[float]) -> list[str]:
    """What is told of the milliseconds."""
    return [name, *(f"{value:.0f}" for value in (np.median(ms), np.quantile(ms, 0.95), max(ms)))]


@contextmanager
def serving(
    folder: Path, database_url: str, job_workers: int, num_threads: int | None = 1, auth: str = "off"
) -> Iterator[str]:
    """The address of a `kshot serve` with so many workers for jobs, once it is ready."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KSHOT_")}
    own |= {"KSHOT_DATABASE_URL": database_url, "KSHOT_JOB_WORKERS": str(job_workers)}
    own |= {"KSHOT_THREADS": str(num_threads)} if num_threads else {}
    own |= {"KSHOT_LOG_LEVEL": "warning", "KSHOT_AUTH": auth}
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert found, "no address in the first line"
        wait_until_ready(found[0])
        yield found[0]
    finally:
        process.terminate()
        process.communicate()


def wait_until_ready(url: str) -> None:
    """Return when the service takes work. Raises TimeoutError."""
    end = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(timeout=5) as http:
        while time.monotonic() < end:
            try:
                if http.get(f"{url}/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not become ready")


if __name__ == "__main__":
    typer.run(main)
