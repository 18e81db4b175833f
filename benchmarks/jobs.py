"""How soon a job is begun after it was accepted: `python -m benchmarks.jobs`, two `kshot serve` on one database.

The first accepts and may do jobs itself in one row; in the other it has no worker, and the second process must find
them in the database.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.page import command, put, table
from benchmarks.served import serving
from service.client import Client
from service.schemas import Job

HEAD = ("job pickup, ms", "median", "p95", "most")
INPUTS, TARGETS = [[-1.0], [0.0], [0.5], [2.0]], [-2.0, 0.0, 1.0, 4.0]
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
                accepting = stack.enter_context(serving(Path(folder), url, job_workers=workers))
                stack.enter_context(serving(Path(folder), url, job_workers=0 if workers else 2))
                rows.append(row(name, pickups(accepting.url, num_jobs)))
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


if __name__ == "__main__":
    typer.run(main)
