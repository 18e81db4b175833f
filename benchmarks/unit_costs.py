"""What a request costs a service and its PostgreSQL, and a task their memory and disk: what arithmetic begins with."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import uvloop
from sqlalchemy import Connection, create_engine, text

from benchmarks.asked import adaptation, predictions
from benchmarks.fairness import made_key
from benchmarks.load import NUM_DRAWN, Run, measured, popular
from benchmarks.served import Served, serving
from benchmarks.usage import usage_of
from benchmarks.wire import request
from service.settings import Settings
from service.storage.migrate import upgrade
from tests.conftest import running_postgresql

FEW, MANY = 1, 32  # clients: a batch of one each, and the batches of a busy process
NUM_BODIES = 64
EACH_PER_S = 100.0
NOBODY_REFUSED: Final = {"KSHOT_MAX_WAIT_MS": "10000"}
LEAST_TRANSACTIONS = 0.99
LATE_S = 11.0  # until PostgreSQL tells of transactions: what idles may keep its counts for ten seconds


@dataclass(frozen=True)
class Cost:
    """Of one request: CPU-ms, and what PostgreSQL counts."""

    service_ms: float
    database_ms: float
    num_transactions: float
    wal_bytes: float


@dataclass(frozen=True)
class Costs:
    """Of one model: requests by kind and by how many clients ask at once; bytes of a task; a process as it stands."""

    predict_few: Cost
    predict_many: Cost
    predict_missed: Cost  # of 32 clients too, where so many tasks are read from the database:
    missed: float
    adapt_many: Cost
    idle: Cost  # of a second, with jobs looked for
    disk_bytes: float
    cache_bytes: float
    resident_mib: float


@dataclass(frozen=True)
class Meter:
    """What PostgreSQL has used so far."""

    cpu_s: float
    num_transactions: int
    wal_bytes: int

    def since(self, before: "Meter", service_s: float, count: float) -> Cost:
        """One of so many requests, or seconds, since then."""
        return Cost(
            1000 * service_s / count,
            1000 * (self.cpu_s - before.cpu_s) / count,
            (self.num_transactions - before.num_transactions) / count,
            (self.wal_bytes - before.wal_bytes) / count,
        )


COUNTED: Final = text(
    "SELECT xact_commit + xact_rollback, pg_current_wal_lsn() - '0/0' FROM pg_stat_database"
    " WHERE datname = current_database()"
)


class Setting:
    """A PostgreSQL of its own as processes, on which services are started."""

    def __init__(self, url: str, folder: Path, database: Connection, seconds: float) -> None:
        self._url, self._folder, self._database, self._seconds = url, folder, database, seconds
        self._key = made_key(url, "measured")
        data = database.execute(text("SHOW data_directory")).scalar_one()
        self._postmaster = int(Path(data, "postmaster.pid").read_text().split()[0])

    def costs(self, model: str, num_tasks: int) -> Costs:
        """All of this model."""
        adapts = [request("/v1/tasks", adaptation(model, seed), key=self._key) for seed in range(NUM_BODIES)]
        with self._serving(model) as served:
            before = self._size()
            asked = predictions(served.url, model, num_tasks, self._key)
            disk_bytes = (self._size() - before) / num_tasks
            _ask_each(served, asked)
            cache_bytes = _metric(served, "kshot_cache_bytes") / num_tasks
            few, many = (self._cost(served, asked, clients) for clients in (FEW, MANY))
            assert few.num_transactions > LEAST_TRANSACTIONS, "a batch of one is a statement of its own"
            resident_mib = usage_of(served.pid).resident_mib
            adapt = self._cost(served, adapts, MANY)
        with self._serving(model, KSHOT_CACHE_MIB="1") as served:
            missed = self._cost(served, asked, MANY)
            misses, hits = (_metric(served, f"kshot_cache_{name}_total") for name in ("misses", "hits"))
        with self._serving(model, KSHOT_JOB_WORKERS=str(Settings.model_construct().job_workers)) as served:
            idle = self._idle(served)
        return Costs(few, many, missed, misses / (misses + hits), adapt, idle, disk_bytes, cache_bytes, resident_mib)

    def _serving(self, model: str, **settings: str) -> AbstractContextManager[Served]:
        more = {"KSHOT_ONLY_MODELS": model, **NOBODY_REFUSED, **settings}
        return serving(self._folder, self._url, auth="on", more=more)

    def _idle(self, served: Served) -> Cost:
        before, own = self._meter(), usage_of(served.pid).cpu_s
        time.sleep(self._seconds)
        return self._meter().since(before, usage_of(served.pid).cpu_s - own, self._seconds)

    def _cost(self, served: Served, requests: list[bytes], clients: int) -> Cost:
        run = Run(served.url, requests, popular(len(requests), NUM_DRAWN), clients)
        time.sleep(LATE_S)
        before = self._meter()
        found = uvloop.run(measured(run.closed_loop(0, self._seconds), served.pid, 0, self._seconds))
        time.sleep(LATE_S)
        num_answered = int(np.isin(found.seen.status, (200, 201)).sum())
        assert num_answered == len(found.seen.status), found.seen.counts()
        return self._meter().since(before, found.server.cpu_s, num_answered)

    def _meter(self) -> Meter:
        num_transactions, wal_bytes = self._database.execute(COUNTED).one()
        return Meter(usage_of(self._postmaster).cpu_s, int(num_transactions), int(wal_bytes))

    def _size(self) -> int:
        return int(self._database.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


@contextmanager
def setting(seconds: float) -> Iterator[Setting]:
    """With the durability that PostgreSQL ships with."""
    with ExitStack() as stack:
        url = stack.enter_context(running_postgresql())
        upgrade(url)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        stack.callback(engine.dispose)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield Setting(url, folder, stack.enter_context(engine.connect()), seconds)


def _ask_each(served: Served, requests: list[bytes]) -> None:
    """So that all tasks are in memory."""
    run = Run(served.url, requests, np.arange(len(requests)), MANY)
    found = uvloop.run(run.open_loop(EACH_PER_S, 0, len(requests) / EACH_PER_S))
    assert len(found.status) == len(requests) and (found.status == httpx.codes.OK).all(), found.counts()
    assert not _metric(served, "kshot_cache_evictions_total")


def _metric(served: Served, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", httpx.get(f"{served.url}/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def machine() -> str:
    """Where it was measured."""
    return f"{os.cpu_count()} cores at a load of {os.getloadavg()[0]:.1f}"
