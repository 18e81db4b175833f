"""What is measured, each as processes of its own: kshot, rivals, and the echo; how each is asked, and made ready."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx

from benchmarks.asked import TIMEOUT_S, adaptation
from benchmarks.fairness import made_key
from benchmarks.served import Served, serving, wait_until_ready
from benchmarks.serving.copies import copied
from benchmarks.wire import request

NUM_MADE = 16  # tasks that are adapted; the others are copies of these
STOP_TIMEOUT_S = 20.0

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """How one is asked."""

    name: str
    module: str | None = None  # none of kshot itself
    path: str = "/v1/tasks"
    is_one_path: bool = False  # for all that is asked
    task_header: str = ""  # that names the task

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
        Server("written", "written"),
        Server("LitServe", "lit", "/predict", is_one_path=True),
        Server("Ray Serve", "multiplexed", "/", is_one_path=True, task_header="serve_multiplexed_model_id"),
        Server("echo", "echo"),
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


Start: TypeAlias = Callable[[], AbstractContextManager[Running]]


@contextmanager
def running(name: str, model: str, folder: Path, cores: set[int], **settings: str) -> Iterator[Running]:
    """A server of this model, on these cores; of kshot with settings of its own."""
    server = SERVERS[name]
    with _on(cores):
        opened = _kshot(server, model, folder, settings) if server.module is None else _rival(server, model, folder)
        entered = opened.__enter__()  # started there, and from then on there
    try:
        yield entered
    finally:
        opened.__exit__(None, None, None)


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Processes started meanwhile have these cores; this one goes back to its own."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


@contextmanager
def _kshot(server: Server, model: str, folder: Path, settings: Mapping[str, str]) -> Iterator[Running]:
    """With keys, durable as shipped. Texts are encoded every time that they come; nobody is refused, as by rivals."""
    database = folder / "kshot.db"
    url = f"sqlite+aiosqlite:///{database}"
    key = made_key(url, "measured")
    more = {"KSHOT_ONLY_MODELS": model, "KSHOT_TEXT_CACHE_MIB": "0", "KSHOT_MAX_WAIT_MS": "10000", **settings}
    with serving(folder, url, job_workers=2, auth="on", more=more) as served:
        yield Running(server, served, model, key, database)


@contextmanager
def _rival(server: Server, model: str, folder: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", f"benchmarks.serving.{server.module}", model, str(port)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    with (folder / f"{server.module}.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield Running(server, Served(f"http://127.0.0.1:{port}", process.pid), model)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
