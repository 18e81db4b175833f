"""A `kshot serve` to be measured, as a process of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_TIMEOUT_S, POLL_S = 300.0, 0.02


@dataclass(frozen=True)
class Served:
    """Where it answers, and its process."""

    url: str
    pid: int
    ready_s: float = 0.0  # from the start of the process until it took work


@contextmanager
def serving(
    folder: Path,
    database_url: str,
    *,
    job_workers: int = 0,
    num_threads: int | None = 1,
    auth: str = "off",
    log_level: str = "warning",
    more: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """One that is ready, with so many workers for jobs and no settings of whoever measures, but `more` of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("KSHOT_")}
    own |= {"KSHOT_DATABASE_URL": database_url, "KSHOT_JOB_WORKERS": str(job_workers)}
    own |= {"KSHOT_THREADS": str(num_threads)} if num_threads else {}
    own |= {"KSHOT_LOG_LEVEL": log_level, "KSHOT_AUTH": auth, **(more or {})}
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
    began = time.monotonic()
    with (folder / "serve.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert found, (folder / "serve.log").read_text()
        wait_until_ready(found[0], process)
        yield Served(found[0], process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        process.communicate()


def wait_until_ready(url: str, process: "subprocess.Popen[Any] | None" = None) -> None:
    """Return when the service takes work. Raises TimeoutError, also as soon as its process has ended."""
    end = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(timeout=5) as http:
        while time.monotonic() < end and (process is None or process.poll() is None):
            try:
                if http.get(f"{url}/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(POLL_S)
    raise TimeoutError(f"{url} did not become ready")
