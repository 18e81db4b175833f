"""What is measured, each as processes of its own: kshot, rivals, and the echo; how each is asked, and made ready."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import httpx

from benchmarks.asked import TIMEOUT_S, adaptation
from benchmarks.fairness import made_key
from benchmarks.served import Served, serving, wait_until_ready
from benchmarks.serving.copies import copied
from benchmarks.usage import family
from benchmarks.wire import request

NUM_MADE = 16  # tasks that are adapted; the others are copies of these
STOP_TIMEOUT_S = 20.0
LOG_TAIL = 2_000  # characters told of a server that did not start
FOR_RIVALS = {
    "OMP_NUM_THREADS": "1",
    # Ray Serve as its makers set it where throughput counts, with its proxy in front
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
}

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """How one is asked."""

    name: str
    module: str | None = None  # none of kshot itself
    path: str = "/v1/tasks"
    is_one_path: bool = False  # for all that is asked
    task_header: str = ""  # that names the task
    keeps_all: bool = False  # tasks in memory, from when they are made
    options: tuple[str, ...] = ()  # of its command
    settings: Mapping[str, str] = field(default_factory=dict)  # of kshot's, beside those of all

    def predict(self, task: str, inputs: Sequence[Any]) -> tuple[str, Body, dict[str, str]]:
        """Path, body and headers of a prediction."""
        body: Body = {"inputs": list(inputs)}
        if self.task_header:
            return self.path, body, {self.task_header: task}
        if self.is_one_path:
            return self.path, {"task": task, **body}, {}
        return f"{self.path}/{task}/predictions", body, {}


SERVERS: Final[Mapping[str, Server]] = {
    each.name: each
    for each in (
        Server("kshot"),
        Server("written", "written", keeps_all=True),
        Server("written, on the loop", "written", keeps_all=True, options=("--on-loop",)),
        Server("LitServe", "lit", "/predict", is_one_path=True),
        Server("Ray Serve", "multiplexed", "/", is_one_path=True, task_header="serve_multiplexed_model_id"),
        Server("echo", "echo", keeps_all=True),
        Server("kshot, no jobs", settings={"KSHOT_JOB_WORKERS": "0"}),  # which are looked for, statement by statement
        Server("kshot, 4 MiB of cache", settings={"KSHOT_CACHE_MIB": "4"}),
    )
}


@dataclass
class Running:
    """One that runs, and the tasks that it has."""

    server: Server
    served: Served
    model: str
    key: str | None = None
    database: Path | None = None
    tasks: list[str] = field(default_factory=list)
    num_warm: int = 0  # of these, that were asked already

    def fill(self, num_tasks: int) -> None:
        """Have so many tasks: some adapted over HTTP, the others copies of these."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        with httpx.Client(base_url=self.served.url, headers=headers, timeout=TIMEOUT_S) as http:
            for number in range(len(self.tasks), min(num_tasks, NUM_MADE)):
                self.tasks.append(self._asked(http, self.server.path, adaptation(self.model, number))["id"])
            if (missing := num_tasks - len(self.tasks)) > 0:
                if self.database is not None:
                    self.tasks += copied(self.database, self.tasks[:NUM_MADE], missing)
                else:
                    path = self.server.path if self.server.is_one_path else "/copies"
                    self.tasks += self._asked(http, path, {"num_copies": missing})["ids"]

    def labels(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """What the first task says of these."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        path, body, own = self.server.predict(self.tasks[0], inputs)
        with httpx.Client(base_url=self.served.url, headers=headers | own, timeout=TIMEOUT_S) as http:
            found: list[dict[str, Any]] = self._asked(http, path, body)["predictions"]
            return found

    def prediction(self, task: str, inputs: Sequence[Any]) -> bytes:
        """The bytes of a request."""
        path, body, headers = self.server.predict(task, inputs)
        return request(path, body, key=self.key, headers=headers)

    def adaptation(self, body: Body) -> bytes:
        """The bytes of a request."""
        return request(self.server.path, body, key=self.key)

    def _asked(self, http: httpx.Client, path: str, body: Body) -> Any:
        return http.post(path, json=body).raise_for_status().json()


class Fleet:
    """Servers of one model on these cores, each started when it is first asked for, and all ended together."""

    def __init__(self, model: str, cores: set[int], stack: ExitStack) -> None:
        self._model, self._cores, self._stack = model, cores, stack
        self._started: dict[str, Running] = {}

    def get(self, name: str) -> Running:
        """One that runs."""
        if name not in self._started:
            folder = Path(self._stack.enter_context(TemporaryDirectory()))
            self._started[name] = self._stack.enter_context(running(name, self._model, folder, self._cores))
        return self._started[name]

    @contextmanager
    def alone(self, server: Running) -> Iterator[None]:
        """Meanwhile all others stand still: some, asked nothing, take half of a core to look whether they are."""
        others = [pid for each in self._started.values() if each is not server for pid in family(each.served.pid)]
        send(others, signal.SIGSTOP)
        try:
            yield
        finally:
            send(others, signal.SIGCONT)


@contextmanager
def running(name: str, model: str, folder: Path, cores: set[int]) -> Iterator[Running]:
    """A server of this model, on these cores; in a folder that has a database of kshot's, with its tasks."""
    server = SERVERS[name]
    with ExitStack() as stack:
        with on_cores(cores):
            opened = _kshot(server, model, folder) if server.module is None else _rival(server, model, folder)
            entered = stack.enter_context(opened)  # started there, and from then on there
        yield entered


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """This process and those that it starts meanwhile have these cores; then it goes back to its own."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


@contextmanager
def _kshot(server: Server, model: str, folder: Path) -> Iterator[Running]:
    """With keys, durable as shipped. Texts are encoded every time that they come; nobody is refused, as by rivals."""
    database = folder / "kshot.db"
    url = f"sqlite+aiosqlite:///{database}"
    key = made_key(url, "measured")
    more = {"KSHOT_ONLY_MODELS": model, "KSHOT_TEXT_CACHE_MIB": "0", "KSHOT_MAX_WAIT_MS": "10000", **server.settings}
    with serving(folder, url, job_workers=2, num_threads=None, auth="on", more=more) as served:
        yield Running(server, served, model, key, database)


@contextmanager
def _rival(server: Server, model: str, folder: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", f"benchmarks.serving.{server.module}", model, str(port), *server.options]
    environment = os.environ | FOR_RIVALS | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with (path := folder / f"{server.module}.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
        except TimeoutError as error:
            raise RuntimeError(path.read_text()[-LOG_TAIL:]) from error
        yield Running(server, Served(f"http://127.0.0.1:{port}", process.pid), model)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and what it started, some of which does not end with it."""
    own = family(process.pid)
    send(own, signal.SIGCONT)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    send(own, signal.SIGKILL)
    process.wait()


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """To those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
