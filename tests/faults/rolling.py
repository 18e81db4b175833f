"""A release rolled out under load: `python -m tests.faults.rolling --results docs/reliability.md`."""

import argparse
import asyncio
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import numpy as np

from benchmarks import page
from service.doctor import examine
from service.errors import DatabaseUnavailable
from service.storage.database import Database
from service.storage.migrate import upgrade
from tests.conftest import administer, on_server, running_postgresql
from tests.e2e.server import environment
from tests.faults.balancer import balancing
from tests.faults.replicas import NUM_CLIENTS, Fleet, Load
from tests.faults.telling import conclude, say
from tests.faults.zygote import MODELS, Zygote

OLD = "d0876ea"  # the last commit before tasks learned from others, had priors, and knew how large they are
ROOT = Path(__file__).parents[2]
LABELS = "pqrs"
TIMEOUT_S = 600.0  # of a start, on a machine that does much else


class Release:
    """The files of an earlier commit, and processes of it on one database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._root = folder / "old"
        self._root.mkdir()
        archive = subprocess.run(["git", "archive", OLD], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", str(self._root)], input=archive, check=True)
        for model in (self._root / "models" / "zoo").iterdir():
            if model.is_dir() and model.name not in MODELS:  # which a new process does not serve here either
                shutil.rmtree(model)
        own = {"KSHOT_DATABASE_URL": database_url, "KSHOT_AUTH": "off", "PYTHONPATH": str(self._root)}
        self._env = environment() | own
        self._log = (folder / "old.log").open("ab")
        found = self._run("-c", "import service; print(service.__file__)")
        assert found.startswith(str(self._root)), found

    def migrate(self) -> None:
        """Bring the database to where this release wants it."""
        self._run("-m", "service.cli", "migrate")

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self._root, env=self._env, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
        """A process of it, and its address, once it is ready; killed at the end."""
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
        process = subprocess.Popen(
            command, cwd=self._root, env=self._env, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert found, "no address in the first line"
            with httpx.Client(verify=False, timeout=TIMEOUT_S) as http:
                while http.get(f"{found[0]}/readyz").status_code != 200:
                    pass
            yield found[0], process
        finally:
            process.kill()
            process.communicate()


class Deployment:
    """What happens in its course, with the longest that a client has waited in each part."""

    def __init__(self, load: Load) -> None:
        self.rows: list[list[str]] = []
        self._load = load
        self._done = self._lost = 0

    def note(self, part: str) -> None:
        """The end of a part."""
        load, done, lost = self._load, self._load.done.total(), self._load.sent.num_lost
        self.rows.append([part, f"{done - self._done:,}", str(lost - self._lost), f"{load.longest_s:.1f}"])
        self._done, self._lost = done, lost
        for writer in load.writers:
            writer.longest_s = 0.0
        say(" | ".join(self.rows[-1]))


def taught(dim: int, shots: int, seed: int) -> list[dict[str, Any]]:
    """Examples of four classes that overlap."""
    centres, draw = np.random.default_rng(100).normal(size=(len(LABELS), dim)), np.random.default_rng(seed)
    return [
        {"id": f"e{way}{n}", "input": (centres[way] + draw.normal(0, 1.5, dim)).tolist(), "label": label}
        for n in range(shots)
        for way, label in enumerate(LABELS)
    ]


async def family(http: httpx.AsyncClient, url: str) -> tuple[str, str]:
    """The paths of a task and of one that has learned from it."""
    dim = (await http.get(f"{url}/v1/models/vectors")).json()["input_dim"]
    body: Mapping[str, Any] = {"model": "vectors", "support": taught(dim, 3, 1)}
    source = await http.post(f"{url}/v1/tasks", json=body)
    learner = await http.post(f"{url}/v1/tasks", json={**body, "support": taught(dim, 1, 2), "transfer": True})
    assert learner.json()["transferred_from"] == [source.json()["id"]], learner.text
    return source.headers["location"], learner.headers["location"]


async def refused(http: httpx.AsyncClient, url: str) -> None:
    """What is new has to wait while the old release is there."""
    support = [{"input": [float(x)], "target": 1.0} for x in range(3)]
    body = {"model": "curves", "support": support, "transfer": True}
    answer = await http.post(f"{url}/v1/tasks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "deployment_unfinished"), answer.text


async def harmless(http: httpx.AsyncClient, old: str, new: str) -> int:
    """An old process that nobody has stopped leaves nothing of what is forgotten; how many writes it was refused."""
    source, learner = await family(http, new)
    asked = [
        await http.delete(f"{old}{source}/support/e00"),
        await http.post(f"{old}{learner}/rollback", json={"version": 1}),
        await http.delete(f"{old}{source}"),
        await http.post(f"{old}{learner}/support", json={"support": taught(64, 1, 5)[:1]}),
    ]
    assert not any(answer.is_success for answer in asked), [answer.status_code for answer in asked]
    assert (await http.delete(f"{new}{source}/support/e00")).status_code == 200
    alone = (await http.get(f"{new}{learner}")).json()
    assert (alone["version"], alone["transferred_from"]) == (2, [])
    return len(asked)


async def migrated(database_url: str, *, finish: bool) -> None:
    """The schema of the new release, as an operator brings it about: again if a lock was not to be had."""
    for _ in range(8):
        with suppress(DatabaseUnavailable):
            await asyncio.to_thread(upgrade, database_url, finish=finish)
            return
    await asyncio.to_thread(upgrade, database_url, finish=finish)


async def roll(zygote: Zygote, database_url: str, old: Release, part_s: float) -> str:
    """All of a deployment; the block of the page."""
    async with balancing() as (balancer, url), httpx.AsyncClient(verify=False, timeout=TIMEOUT_S) as http:
        first, second = old.serving(), old.serving()
        replicas = [await asyncio.to_thread(each.__enter__) for each in (first, second)]
        for address, _ in replicas:
            balancer.add(address)
        load, fleet = Load(url), Fleet(zygote, database_url, balancer, unready_s=1.0)
        deployment = Deployment(load)
        async with load.at_work():
            await asyncio.sleep(part_s)
            deployment.note("the old release alone")
            await migrated(database_url, finish=False)
            await asyncio.sleep(part_s / 4)
            deployment.note("`kshot migrate`, and after it")
            for address, process in replicas:
                await fleet.grow()
                await asyncio.sleep(part_s)
                await refused(http, balancer.replicas[-1])
                deployment.note("both releases")
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait)
                balancer.remove(address)
                deployment.note("an old replica stopped")
            await migrated(database_url, finish=True)
            await asyncio.sleep(part_s / 4)
            deployment.note("`kshot migrate --finish`, and after it")
        with old.serving() as (forgotten, _):
            num_refused = await harmless(http, forgotten, balancer.replicas[0])
        database = Database(database_url)
        found = (await examine(database)).found
        await database.close()
        assert not found, found
        for each in (first, second):
            await asyncio.to_thread(each.__exit__, None, None, None)
        for _ in range(2):
            await fleet.lose(signal.SIGTERM)
    head = ["part", "calls", "connections lost", "longest call, s"]
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(load.sent.answers.items()))
    after = f"Answers: {statuses}. The first call that failed, or read that was stale, would have ended it. "
    after += "Then an old replica was started again: "
    after += f"{num_refused} writes of it to tasks that learn from each other were refused; `kshot doctor`: whole."
    return f"{page.table(head, deployment.rows)}\n\n{after}"


def main() -> None:
    """Roll it out; the first error that a client meets ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.rolling", description=__doc__)
    parser.add_argument("--part-s", type=float, default=10.0, help="how long replicas work in each part")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked, began = parser.parse_args(), monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Zygote(Path(folder) / "log") as zygote,
        running_postgresql() as server,
    ):
        administer(server, "CREATE DATABASE rolling")
        url = on_server(server, "rolling")
        old = Release(Path(folder), url)
        old.migrate()
        told = asyncio.run(roll(zygote, url, old, asked.part_s))
    command = page.command("rolling", "tests.faults")
    text = f"`{command}`, two replicas on one PostgreSQL, {NUM_CLIENTS} clients at once; old is {OLD}.\n\n{told}"
    conclude(text, "rolling", asked.results)
    say(f"{monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
