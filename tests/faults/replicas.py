"""Replicas replaced under load, gently and not: `python -m tests.faults.replicas --results docs/reliability.md`."""

import argparse
import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Protocol

from benchmarks import page
from service.storage.migrate import upgrade
from tests.conftest import administer, on_server, running_postgresql
from tests.faults.clients import Counted, Writer
from tests.faults.haproxy import proxying
from tests.faults.telling import conclude, say
from tests.faults.zygote import Life, Zygote

UNREADY_S = 3.0
NUM_CLIENTS = 6
PAUSE_S = 1.0  # between two replacements, at most


class Load:
    """Clients at work on what listens at one address."""

    def __init__(self, url: str) -> None:
        self.sent = Counted()
        self.writers = [Writer(url, self.sent, seed) for seed in range(NUM_CLIENTS)]

    @property
    def done(self) -> Counter[str]:
        """What was asked and done, by kind."""
        return sum((writer.done for writer in self.writers), Counter[str]())

    @property
    def longest_s(self) -> float:
        """The longest that anyone has waited for anything."""
        return max(writer.longest_s for writer in self.writers)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Work inside the block; the first error that a client meets ends it."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for writer in self.writers:
                group.create_task(writer.live(over))
            try:
                yield
            finally:
                over.set()
        await self.sent.aclose()  # which all share


class Front(Protocol):
    """What stands before replicas."""

    def add(self, url: str) -> None:
        """A replica that is ready."""

    def remove(self, url: str) -> None:
        """One that is gone."""


class Fleet:
    """Two replicas behind a balancer, replaced one after another."""

    def __init__(self, zygote: Zygote, database_url: str, balancer: Front, unready_s: float) -> None:
        self._zygote, self._balancer = zygote, balancer
        self._env = {"KSHOT_DATABASE_URL": database_url, "KSHOT_AUTH": "off", "KSHOT_UNREADY_S": str(unready_s)}
        self._lives: list[tuple[AbstractContextManager[Life], Life]] = []

    async def grow(self) -> None:
        """One more replica, known to the balancer when it is ready."""
        serving = self._zygote.serving(self._env)
        life = await asyncio.to_thread(serving.__enter__)
        self._lives.append((serving, life))
        self._balancer.add(life.url)

    async def lose(self, number: signal.Signals) -> None:
        """Send a signal to the oldest; the balancer forgets it when it is gone."""
        serving, life = self._lives.pop(0)
        await asyncio.to_thread(life.stop, number)
        self._balancer.remove(life.url)
        await asyncio.to_thread(serving.__exit__, None, None, None)


async def replace(
    zygote: Zygote, database_url: str, rounds: int, number: signal.Signals, unready_s: float = UNREADY_S
) -> Load:
    """So many replacements under load by one signal: a new replica comes before a gentle one, after a hard one."""
    rng = Random(0)
    async with proxying() as (proxy, url):
        fleet, load = Fleet(zygote, database_url, proxy, unready_s), Load(url)
        for _ in range(2):
            await fleet.grow()
        async with load.at_work():
            for round_ in range(rounds):
                await asyncio.sleep(rng.uniform(0.2, PAUSE_S))
                if number == signal.SIGKILL:
                    await fleet.lose(number)
                    await fleet.grow()
                else:
                    await fleet.grow()
                    await fleet.lose(number)
                say(f"{number.name} {round_ + 1}: {load.done.total()} done, {load.sent.num_lost} connections lost")
        for _ in range(2):
            await fleet.lose(signal.SIGTERM)
    return load


def row(name: str, rounds: int, load: Load) -> list[str]:
    """One line of the table."""
    answers = load.sent.answers
    refused = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()) if status >= 500) or "none"
    cells = [f"{load.done.total():,}", str(load.sent.num_lost), refused, f"{load.longest_s:.1f}"]
    return [name, str(rounds), *cells]


HEAD = [
    "replaced by",
    "times",
    "calls",
    "connections lost",
    "answers of 5xx",
    "longest call, s",
]


def main() -> None:
    """Replace replicas; the first error that a client meets ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.replicas", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="replacements by each signal")
    parser.add_argument("--unready-s", type=float, default=UNREADY_S, help="how long a replica goes on after SIGTERM")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked = parser.parse_args()
    rows: list[list[str]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Zygote(Path(folder) / "log") as zygote,
        running_postgresql() as server,
    ):
        for number, unready_s in (
            (signal.SIGTERM, asked.unready_s),
            (signal.SIGTERM, 0.0),  # so that it is seen what the wait is for
            (signal.SIGKILL, asked.unready_s),
        ):
            administer(server, f"CREATE DATABASE trial_{len(rows)}")
            url = on_server(server, f"trial_{len(rows)}")
            upgrade(url)
            load = asyncio.run(replace(zygote, url, asked.rounds, number, unready_s))
            name = number.name if unready_s else f"{number.name}, without the wait"
            rows.append(row(name, asked.rounds, load))
    told = (
        f"`{page.command('replicas', 'tests.faults')}`, two replicas on one PostgreSQL, {NUM_CLIENTS} clients at once."
    )
    text = f"{told}\n\n{page.table(HEAD, rows)}"
    conclude(text, "replicas", asked.results)


if __name__ == "__main__":
    main()
