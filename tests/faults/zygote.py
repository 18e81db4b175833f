"""Services that start at little cost: a process that has imported all and loaded two models, forked for each.

A child is the real service, on a real socket, and dies as any process does. It serves `vectors` and `curves` alone.

    with Zygote(log) as zygote, zygote.serving(env) as life:
        httpx.get(f"{life.url}/readyz")
        life.stop(signal.SIGKILL)
"""

import asyncio
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes import CDLL
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self, cast

from httpx import ASGITransport, AsyncClient, get

from service.storage.migrate import upgrade
from tests.e2e.server import environment
from tests.faults.moments import Moment, die_at

if TYPE_CHECKING:
    from service.engine.loading import Checkpoints

MODELS = ("vectors", "curves")
TIMEOUT_S = 120
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Life:
    """A running child; `url` is of its socket, which is bound before it begins."""

    url: str
    pid: int
    descriptor: int  # a pidfd: readable once the process is gone

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, unless it is gone already, and wait for the end."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)
        self.wait()

    def arm(self) -> None:
        """Let it count to its moment from now on."""
        signal.pidfd_send_signal(self.descriptor, signal.SIGUSR1)

    def wait(self, timeout_s: float = TIMEOUT_S) -> None:
        """Return when the process is gone."""
        if not self.is_over(timeout_s):
            raise TimeoutError(f"process {self.pid} goes on")

    def is_over(self, timeout_s: float = 0) -> bool:
        """Whether the process is gone, perhaps within some time."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(1000 * timeout_s))


class Zygote:
    """The process that is forked. What children write to their standard error is appended to `log`."""

    def __init__(self, log: Path) -> None:
        self._log, self._lock = log, Lock()

    def __enter__(self) -> Self:
        with self._log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.zygote"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment() | {"OMP_NUM_THREADS": "1"},  # a pool of threads would not survive a fork
                text=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # its input ends, and so does it

    @contextmanager
    def serving(self, env: Mapping[str, str], dies_at: Moment | None = None) -> Iterator[Life]:
        """A service with these settings that is ready, killed at the end, or by itself at a moment once it is armed."""
        with self._child({"env": dict(env), "dies_at": dies_at}) as life:
            end = time.monotonic() + TIMEOUT_S
            while get(f"{life.url}/readyz", timeout=TIMEOUT_S, verify=False).status_code != 200:
                assert time.monotonic() < end and not life.is_over()
            yield life

    @contextmanager
    def migrating(self, database_url: str, dies_at: Moment | None = None) -> Iterator[Life]:
        """A process that brings a database to the newest schema."""
        with self._child({"migrate": database_url, "dies_at": dies_at}) as life:
            yield life

    @contextmanager
    def _child(self, wanted: Mapping[str, Any]) -> Iterator[Life]:
        send, heard = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        with self._lock:
            print(json.dumps(wanted), file=send, flush=True)
            pid, port = json.loads(heard.readline())
            descriptor = os.pidfd_open(pid)  # nobody reaps the process before the next is wanted
        life = Life(f"http://127.0.0.1:{port}", pid, descriptor)
        try:
            yield life
        finally:
            life.stop(signal.SIGKILL)
            os.close(descriptor)


def main() -> None:
    """Fork for each line that comes; tell the pid and the port of the child."""
    from service import process  # noqa: F401  # with all that it imports
    from service.engine.loading import load_checkpoints, model_folders

    checkpoints = load_checkpoints(model_folders(None, MODELS))
    asyncio.run(warm_up(checkpoints))
    gc.collect()
    gc.freeze()  # what the children share is not looked through, and so not copied
    for line in sys.stdin:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        with socket.create_server(("127.0.0.1", 0)) as listener:
            pid = os.fork()
            if pid == 0:
                live(json.loads(line), listener, checkpoints)
            sys.stdout.write(f"{json.dumps([pid, listener.getsockname()[1]])}\n")
            sys.stdout.flush()


async def warm_up(checkpoints: "Checkpoints") -> None:
    """What the first requests make every process do again, done once; no thread is left behind."""
    from service.app import create_app
    from service.settings import Settings

    app = ASGITransport(create_app(Settings(), checkpoints))  # not started: that takes threads
    async with AsyncClient(transport=app, base_url="http://zygote") as http:
        for path in ("/livez", "/openapi.json"):
            assert (await http.get(path)).is_success


def live(wanted: Mapping[str, Any], listener: socket.socket, checkpoints: "Checkpoints") -> NoReturn:
    """All that a child does."""
    from service.app import create_app
    from service.process import serve
    from service.settings import Settings

    CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever ends the zygote ends its children
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)  # what the parent is told is not for the child
    try:
        if wanted["dies_at"] is not None:
            die_at(*wanted["dies_at"], is_armed="migrate" in wanted)
        if "migrate" in wanted:
            upgrade(wanted["migrate"])
        else:
            os.environ.update(wanted["env"])
            settings = Settings()
            serve(create_app(settings, checkpoints), listener, settings)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
