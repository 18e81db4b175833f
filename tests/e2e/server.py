"""The real service as a process of its own, on a free port and a database in a folder."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Server:
    """A running `kshot serve`."""

    url: str
    process: subprocess.Popen[str]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def serving(
    folder: Path, options: Sequence[str] = (), env: Mapping[str, str] | None = None, models: str = "curves,vectors"
) -> Iterator[Server]:
    """A service of these models, "" for all, with its database in `folder`; killed at the end if it was not stopped."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", "0", *options],
        cwd=folder,
        env=environment()
        | {"KSHOT_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/kshot.db", "KSHOT_ONLY_MODELS": models}
        | dict(env or {}),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert found, "no address in the first line"
        server = Server(found[0], process)
        _wait_until_ready(server)
        yield server
    finally:
        process.kill()
        process.communicate()


def environment() -> dict[str, str]:
    """This process's environment without the settings of whoever runs the tests; two cores are enough for two."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KSHOT_")} | {
        "KSHOT_THREADS": "1",
        "KSHOT_UNREADY_S": "0",
    }


def _wait_until_ready(server: Server) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(timeout=5) as http:  # making one costs more than asking
        while time.monotonic() < end:
            assert server.process.poll() is None, "the service stopped while starting"
            try:
                if http.get(f"{server.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise TimeoutError("the service did not become ready")
