"""A cell: arms that alternate, A B A B, each a server under one load; and the folder where finished cells are kept."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import uvloop

from benchmarks.asked import INPUTS, adaptation
from benchmarks.load import NUM_DRAWN, Run, measured, popular
from benchmarks.seen import OK, Measured
from benchmarks.serving.servers import Fleet, Running

NUM_INPUTS = 1_024  # that differ
NUM_BODIES = 64  # of adaptations
WARM_S, MAX_WARM_S, WARM_CLIENTS = 0.5, 120.0, 32
REFUSED, RETRY_AFTER_S = 429, 1.0
MIXED = 0.1  # the share of adaptations where both come

Kind: TypeAlias = Literal["predict", "adapt", "mixed"]
Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Arm:
    """A server, and what it is asked."""

    server: str
    kind: Kind = "predict"
    clients: int = 32
    tasks: int = 1_024
    zipf: float = 0.0

    @property
    def name(self) -> str:
        """What it is called."""
        asked = f"{self.server}, {self.kind}, {self.clients} clients"
        return asked if self.kind == "adapt" else f"{asked}, {self.tasks} tasks{', Zipf' if self.zipf else ''}"


@dataclass(frozen=True)
class Cell:
    """What is compared in one go, of one model."""

    model: str
    name: str
    arms: tuple[Arm, ...]  # none of the limits, which are no server
    has_all_cores: bool = False  # what is measured, which else has one


class NotWarm(Exception):
    """Some task did not answer, or not in time, before anything was measured."""


class Kept:
    """The cells that are finished, a file each: what was killed goes on behind them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, model: str, name: str) -> Any:
        """What was found of this model, if it was."""
        file = self._file(model, name)
        return json.loads(file.read_text())["found"] if file.exists() else None

    def moments(self) -> dict[str, datetime]:
        """When each was finished, by its name, the oldest first."""
        files = self._folder.glob("*.json")
        found = {file.stem: datetime.fromisoformat(json.loads(file.read_text())["at"]) for file in files}
        return dict(sorted(found.items(), key=lambda each: each[1]))

    def put(self, model: str, name: str, found: Any) -> None:
        """Keep it."""
        told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "found": found}
        beside = self._file(model, name).with_suffix(".partial")
        beside.write_text(json.dumps(told, indent=1))
        beside.replace(self._file(model, name))

    def _file(self, model: str, name: str) -> Path:
        return self._folder / f"{model}, {name}.json"


def run_cell(cell: Cell, fleet: Fleet, seconds: float, num_pieces: int) -> dict[str, list[Figures]]:
    """The figures of each arm, piece by piece."""
    found: dict[str, list[Figures]] = {arm.name: [] for arm in cell.arms}
    prepared = []
    for arm in cell.arms:
        server = fleet.get(arm.server)
        server.fill(1 if arm.kind == "adapt" else arm.tasks)
        sent, order = requests(arm, server)
        with fleet.alone(server):
            warm(server, sent, 0 if arm.kind == "adapt" else arm.tasks)
        prepared.append((arm, server, sent, order))
    for _ in range(num_pieces):
        for arm, server, sent, order in prepared:
            with fleet.alone(server):
                found[arm.name].append(once(arm, server, sent, order, seconds))
    return found


def warm(server: Running, sent: Sequence[bytes], num_tasks: int) -> None:
    """Each task answers once: what is compared is not whose heads lie in files and whose in memory. Else NotWarm.

    A server that has just started may refuse some: they come again when it has told them to.
    """
    if server.server.keeps_all:
        return
    end = time.monotonic() + MAX_WARM_S
    while server.num_warm < num_tasks:
        some = Run(server.served.url, sent[server.num_warm :], np.arange(len(sent) - server.num_warm), WARM_CLIENTS)
        status = uvloop.run(some.closed_loop(0, WARM_S)).status
        if not np.isin(status, (*OK, REFUSED)).all() or time.monotonic() > end:
            raise NotWarm(f"{server.server.name}: {server.num_warm} of {num_tasks}, then {np.unique(status)}")
        is_refused = status == REFUSED
        server.num_warm += int(is_refused.argmax()) if is_refused.any() else len(status)
        if is_refused.any():
            time.sleep(RETRY_AFTER_S)


def requests(arm: Arm, server: Running) -> tuple[list[bytes], np.ndarray]:
    """What is sent, and in which order."""
    adapts = [server.adaptation(adaptation(server.model, 1_000 + number)) for number in range(NUM_BODIES)]
    if arm.kind == "adapt":
        return adapts, np.arange(NUM_BODIES)
    make, rng = INPUTS[server.model], np.random.default_rng(1)
    inputs = [make(rng, number % 5) for number in range(NUM_INPUTS)]
    tasks = server.tasks[: arm.tasks]
    num_sent = max(len(tasks), NUM_INPUTS)
    sent = [server.prediction(tasks[n % len(tasks)], [inputs[n % NUM_INPUTS]]) for n in range(num_sent)]
    order = popular(len(tasks) if arm.zipf else num_sent, NUM_DRAWN, arm.zipf, seed=2)
    if arm.kind == "mixed":
        is_adapt = np.random.default_rng(3).random(NUM_DRAWN) < MIXED
        order = np.where(is_adapt, num_sent + order % NUM_BODIES, order)
        sent += adapts
    return sent, order


def once(arm: Arm, server: Running, sent: Sequence[bytes], order: np.ndarray, seconds: float) -> Figures:
    """One piece."""
    run = Run(server.served.url, sent, order, arm.clients)
    return figures_of(uvloop.run(measured(run.closed_loop(WARM_S, seconds), server.served.pid, WARM_S, seconds)))


def figures_of(found: Measured) -> Figures:
    """What is kept of a piece."""
    ms, seen = found.seen.ms(), found.seen
    num_asked = sum(seen.counts().values())
    num_answered = seen.rate() * seen.seconds or float("nan")
    quantiles = np.quantile(ms, (0.5, 0.95, 0.99)) if len(ms) else np.full(3, np.nan)
    return {
        "per_s": seen.rate(),
        **dict(zip(("p50_ms", "p95_ms", "p99_ms"), quantiles.tolist(), strict=True)),
        "cpu_ms": 1000 * found.server.cpu_s / num_answered,
        "generator_cpu_ms": 1000 * found.generator.cpu_s / num_answered,
        "resident_mib": found.server.after.resident_mib,
        "num_other": float(num_asked - sum(seen.counts().get(status, 0) for status in OK)),
    }


def median(runs: Sequence[Figures], name: str) -> float:
    """Of the pieces."""
    return float(np.median([each[name] for each in runs]))


def ratios(one: Sequence[Figures], other: Sequence[Figures], name: str = "per_s") -> tuple[float, float, float]:
    """Median, least and most of what one is to the other, piece by piece."""
    found = [a[name] / b[name] if b[name] else float("nan") for a, b in zip(one, other, strict=True)]
    return float(np.median(found)), min(found), max(found)
