"""One database and the services on it, each killed while clients write: what was answered is there, bit for bit."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from random import Random

import httpx
from sqlalchemy import Engine, text

from service import doctor
from service.client import Client
from tests.e2e.known import MAX_VERSIONS
from tests.faults.moments import Moment
from tests.faults.oracle import Bits, engine_for, read_all
from tests.faults.writers import Writer
from tests.faults.zygote import Life, Zygote
from tests.service.samples import opened

NUM_WRITERS = 4
ENV = {
    "KSHOT_AUTH": "off",
    "KSHOT_MAX_VERSIONS": str(MAX_VERSIONS),
    "KSHOT_JOB_LEASE_S": "0.5",
    "KSHOT_JOB_ATTEMPTS": "1000",
}
WAIT_S = 120


class Trial:
    """The clients of one database, and what was counted."""

    def __init__(self, url: str, zygote: Zygote, seed: int) -> None:
        self.url, self.zygote, self.bits = url, zygote, Bits()
        self.moments: Counter[str] = Counter()  # of kills, by kind
        self.num_late = 0  # kills after which the database was still at work for who was killed
        self.writers = [Writer(f"w{number}", Random(f"{seed} {number}"), self.bits) for number in range(NUM_WRITERS)]
        self._rng, self._engine, self._usual_s = Random(seed), engine_for(url), 0.2

    def live(self) -> None:
        """What the last life left undone is done, all write until they are killed; and is all as it must be then?"""
        moment = self._moment()
        with self._serving(moment) as (life, kshots):
            self._resume(life)
            self._write(life, kshots, moment)
        self.num_late += until_unused(self._engine)
        found = read_all(self._engine)
        for writer in self.writers:
            writer.judge(found)
        assert {name.split()[0] for name in found} <= {writer.name for writer in self.writers}
        assert asyncio.run(examined(self.url)) == []

    def close(self) -> None:
        """A last life, which nobody kills."""
        with self._serving(None) as (life, _):
            self._resume(life)

    def _moment(self) -> Moment | None:
        """A moment of writing; or none, for one by the clock."""
        draw = self._rng.random()
        if draw < 0.35:
            return None
        if draw < 0.6:
            return ("statement", self._rng.randint(1, 80))
        return ("commit" if draw < 0.7 else "committed", self._rng.randint(1, 8))

    def _resume(self, life: Life) -> None:
        with client(life, patience_s=WAIT_S) as kshot:
            for writer in self.writers:
                writer.resume(kshot)
            for writer in self.writers:
                writer.check(kshot)

    def _write(self, life: Life, kshots: list[Client], moment: Moment | None) -> None:
        num_before, started = self._num_answered(), time.monotonic()
        with ThreadPoolExecutor(len(kshots)) as pool:
            writing = [
                pool.submit(writer.write_until_killed, kshot)
                for writer, kshot in zip(self.writers, kshots, strict=True)
            ]
            if moment is None:
                time.sleep(self._rng.uniform(0, 2.5) * self._usual_s)
                life.stop(signal.SIGKILL)
            else:
                life.arm()
                while not life.is_over(0.2) and not all(each.done() for each in writing):
                    pass
        life.stop(signal.SIGKILL)  # where nobody went on until the moment
        for each in writing:
            each.result()
        self.moments["clock" if moment is None else moment[0]] += 1
        if num_answered := self._num_answered() - num_before:
            self._usual_s = (time.monotonic() - started) * len(kshots) / num_answered

    def _num_answered(self) -> int:
        return sum(writer.answered.total() for writer in self.writers)

    @contextmanager
    def _serving(self, moment: Moment | None) -> Iterator[tuple[Life, list[Client]]]:
        with self.zygote.serving(ENV | {"KSHOT_DATABASE_URL": self.url}, moment) as life, ExitStack() as stack:
            yield life, [stack.enter_context(client(life, patience_s=0)) for _ in self.writers]


def client(life: Life, patience_s: float) -> Client:
    """With a transport of its own: the usual one reads the certificates of the machine first."""
    return Client(life.url, patience_s=patience_s, transport=httpx.HTTPTransport(verify=False))


def until_unused(engine: Engine) -> bool:
    """Wait until PostgreSQL has noticed that its client is gone, and has ended its transactions; whether it had not."""
    if engine.dialect.name != "postgresql":
        return False
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid() "
        "AND backend_type = 'client backend'"
    )
    end, had_to = time.monotonic() + WAIT_S, False
    with engine.connect() as connection:
        while connection.execute(others).scalar_one():
            connection.rollback()
            assert time.monotonic() < end
            had_to = True
            time.sleep(0.005)
    return had_to


async def examined(url: str) -> list[object]:
    """What `kshot doctor` finds broken."""
    async with opened(url) as database:
        return list((await doctor.examine(database)).found)
