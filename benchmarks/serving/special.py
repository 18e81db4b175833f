"""What no cell of arms tells: starts and restarts, a full database, what the cache takes."""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import httpx
import numpy as np
import uvloop

from benchmarks.load import Run
from benchmarks.seen import Integers, Seen
from benchmarks.served import serving
from benchmarks.serving.cells import Arm, Kept, requests, warm
from benchmarks.serving.servers import Fleet, Running, on_cores, running
from benchmarks.serving.stored import param_bytes

FEW, MANY = 100, 100_000
NUM_RESTARTED, NUM_CACHED = 4_096, 1_024
SELECTS = re.compile(r'^kshot_database_statement_seconds_count\{statement="select"\} (\S+)', re.MULTILINE)
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # unset, as Python has it
CACHE_BYTES = re.compile(r"^kshot_cache_bytes (\S+)", re.MULTILINE)

Found: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Place:
    """Where specials are measured, and for how long."""

    kept: Kept
    cores: set[int]  # of what is measured, one
    seconds: float
    num_pieces: int

    @property
    def all_cores(self) -> set[int]:
        """Of the machine."""
        return set(range(os.cpu_count() or 1))

    @property
    def other_cores(self) -> set[int]:
        """Of who measures."""
        return self.all_cores - self.cores or self.cores


def ready(place: Place, model: str) -> Found:
    """Seconds from the start of a process until it takes work, with every model; a first start warms the files.

    Among them are those that Python compiles its own to, which an installation brings.
    """
    with TemporaryDirectory() as folder, on_cores(place.all_cores):
        found = []
        for _ in range(1 + place.num_pieces):
            url = f"sqlite+aiosqlite:///{folder}/kshot.db"
            with serving(Path(folder), url, num_threads=None, more=COMPILED) as served:
                found.append(served.ready_s)
    return {"ready_s": float(np.median(found[1:])), "first_s": found[0]}


def restarted(place: Place, model: str) -> Found:
    """Each task asked once right after a restart, and once again."""
    with TemporaryDirectory() as folder:
        with running("kshot", model, Path(folder), place.cores) as server:
            server.fill(NUM_RESTARTED)
            tasks = server.tasks
        with running("kshot", model, Path(folder), place.cores) as server:
            server.tasks = tasks
            sent, _ = requests(Arm("kshot", tasks=NUM_RESTARTED), server)
            order = np.random.default_rng(0).permutation(NUM_RESTARTED)
            first, warm = (asked(server, sent, order, place.seconds / 2) for _ in range(2))
    return {"first_ms": p50(first), "warm_ms": p50(warm), "num_asked": float(len(first.due_s))}


def many(place: Place, model: str) -> Found:
    """The same number of tasks asked, alone in the database and among 100,000; then all of these. In turns."""
    ms: dict[str, list[float]] = {"few": [], "among": [], "all": []}
    statements: dict[str, list[float]] = {name: [] for name in ms}
    with ExitStack() as stack:
        fleets = [Fleet(model, place.cores, stack) for _ in range(2)]
        small, large = (fleet.get("kshot, no jobs") for fleet in fleets)
        small.fill(FEW)
        large.fill(MANY)
        large.tasks = np.random.default_rng(0).permutation(large.tasks).tolist()  # no neighbours in the database
        arms = [(small, FEW), (large, FEW), (large, MANY)]
        sent = [requests(Arm("kshot", tasks=num_tasks), server) for server, num_tasks in arms]
        for (server, num_tasks), (messages, _) in zip(arms[:2], sent, strict=False):
            warm(server, messages, num_tasks)
        for _ in range(place.num_pieces):
            for name, (server, _), (messages, order) in zip(ms, arms, sent, strict=True):
                before = _told(server, SELECTS)
                seen = asked(server, messages, order, place.seconds)
                ms[name].append(p50(seen))
                statements[name].append((_told(server, SELECTS) - before) / len(seen.due_s))
    medians = {f"{name}_ms": float(np.median(each)) for name, each in ms.items()}
    counts = {f"{name}_statements": float(np.median(each)) for name, each in statements.items()}
    return medians | counts


def cached(place: Place, model: str) -> Found:
    """What a cached task takes beside its parameters, as the service counts it."""
    with TemporaryDirectory() as folder, running("kshot", model, Path(folder), place.cores) as server:
        server.fill(NUM_CACHED)
        sent, _ = requests(Arm("kshot", tasks=NUM_CACHED), server)
        before = _told(server, CACHE_BYTES)
        every = uvloop.run(Run(server.served.url, sent, np.arange(NUM_CACHED), 32).open_loop(200, 0, NUM_CACHED / 200))
        assert every.counts().keys() == {200}
        taken = (_told(server, CACHE_BYTES) - before) / NUM_CACHED
        return {"bytes": taken, "param_bytes": float(param_bytes(_file(server)))}


def asked(server: Running, sent: Sequence[bytes], order: Integers, seconds: float) -> Seen:
    """By one client, one after another, from the first of the order on."""
    return uvloop.run(Run(server.served.url, sent, order, 1).closed_loop(0, seconds))


def p50(seen: Seen) -> float:
    """Milliseconds."""
    return float(np.median(seen.ms()))


def _told(server: Running, what: re.Pattern[str]) -> float:
    found = what.search(httpx.get(f"{server.served.url}/metrics").text)
    return float(found[1]) if found else 0.0


def _file(server: Running) -> Path:
    assert server.database is not None
    return server.database
