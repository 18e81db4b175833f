"""What many tasks and many requests a second would take, from measured unit costs: `python -m benchmarks.arithmetic`.

Nothing of that size was run. Unit costs are measured on one machine, kept in `--out`, and multiplied.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter

from benchmarks.page import command, put, table
from benchmarks.unit_costs import Cost, Costs, machine, setting
from service.settings import MIB, Settings

MODELS: Final = ("vectors", "glyphs")
GIB = 2**30
USED = 0.6  # of a core, at most: beyond it waiting grows
CORES_A_MACHINE, DATABASE_CORES = 16, 32
DATABASE_CONNECTIONS, WAL_MIB_PER_S = 1_000, 200.0  # that one disk takes
NUM_MEASURED = 1_024  # tasks


@dataclass(frozen=True)
class Demand:
    """What is to be served, every task as often as any other."""

    num_tasks: int
    requests_per_s: float
    adapts: float  # the share of requests that adapt

    def cpu(self, predict_ms: float, adapt_ms: float) -> float:
        """Cores kept busy by requests that cost so much."""
        return self.requests_per_s * ((1 - self.adapts) * predict_ms + self.adapts * adapt_ms) / 1000


@dataclass(frozen=True)
class Plan:
    """What that takes of one model."""

    num_replicas: int
    database_cores: tuple[float, float]  # with batches as large as those of 32 clients, and with none
    wal_mib_per_s: float
    disk_gib: float
    cached: float  # the share of tasks that are in the memory of a replica
    num_connections: int

    @property
    def rows(self) -> list[str]:
        """In the order of HEAD."""
        low, high = self.database_cores
        return [
            f"{self.num_replicas:,} ({ceil(self.num_replicas / CORES_A_MACHINE)})",
            f"{low / USED:.0f} to {high / USED:.0f}",
            f"{self.wal_mib_per_s:.1f}",
            f"{self.disk_gib:,.0f}",
            f"{100 * self.cached:.0f}%",
            f"{self.num_connections:,}",
        ]

    def full(self) -> dict[str, float]:
        """How many times this demand each shared part can take."""
        of_one, of_many = reversed(self.database_cores)
        return {
            "PostgreSQL's cores, batches of one": DATABASE_CORES * USED / of_one,
            "PostgreSQL's cores, batches of 32 clients": DATABASE_CORES * USED / of_many,
            "PostgreSQL's log": WAL_MIB_PER_S / self.wal_mib_per_s if self.wal_mib_per_s else inf,
            "PostgreSQL's connections": DATABASE_CONNECTIONS / self.num_connections,
        }


HEAD: Final = (
    "",
    f"replicas of a core (machines of {CORES_A_MACHINE})",
    "cores of PostgreSQL",
    "its log, MiB/s",
    "its tables, GiB",
    "tasks in memory of each replica",
    "connections",
)
UNITS: Final = ("", "service, CPU-ms", "PostgreSQL, CPU-ms", "transactions", "log, bytes")


def plan(costs: Costs, demand: Demand, settings: Settings) -> Plan:
    """Multiplied: cores are filled to USED, and a replica has one core, its threads together."""
    cached = min(1.0, settings.cache_mib * MIB / (demand.num_tasks * costs.cache_bytes))
    missed = (1 - cached) / costs.missed  # of the tasks, in measures of those that were missed
    many, few, read, adapt = costs.predict_many, costs.predict_few, costs.predict_missed, costs.adapt_many
    more_ms = missed * max(0.0, read.database_ms - many.database_ms)
    service_ms = many.service_ms + missed * max(0.0, read.service_ms - many.service_ms)
    num_replicas = ceil(demand.cpu(service_ms, adapt.service_ms) / (USED - costs.idle.service_ms / 1000))
    idle = num_replicas * costs.idle.database_ms / 1000
    low, high = (idle + demand.cpu(each.database_ms + more_ms, adapt.database_ms) for each in (many, few))
    wal_bytes = demand.requests_per_s * demand.adapts * adapt.wal_bytes
    disk_bytes = demand.num_tasks * costs.disk_bytes
    num_connections = num_replicas * (settings.pool_size + 1)  # one asks whether it is there
    return Plan(num_replicas, (low, high), wal_bytes / MIB, disk_bytes / GIB, cached, num_connections)


def told(units: Mapping[str, Costs], demand: Demand) -> str:
    """The tables, and what is full first."""
    plans = {model: plan(costs, demand, Settings.model_construct()) for model, costs in units.items()}
    asked = f"{demand.requests_per_s:,.0f} requests a second, {100 * demand.adapts:g}% of them adapting to 25 examples"
    parts = [
        table(UNITS, [row for model, costs in units.items() for row in _unit_rows(model, costs)]),
        "\n".join(_of_a_task(model, costs) for model, costs in units.items()),
        f"{demand.num_tasks:,} tasks, {asked}; every core {100 * USED:.0f}% busy:",
        table(HEAD, [[f"`{model}`", *each.rows] for model, each in plans.items()]),
        f"So many times this demand is what each part that all replicas share can take, the first to be full first; "
        f"a PostgreSQL of {DATABASE_CORES} cores and {DATABASE_CONNECTIONS:,} connections is assumed, whose disk takes "
        f"{WAL_MIB_PER_S:g} MiB of log a second:",
        "\n".join(f"- `{model}`: {_first(each.full())}." for model, each in plans.items()),
    ]
    return "\n\n".join(parts)


def _unit_rows(model: str, costs: Costs) -> Sequence[list[str]]:
    named = {
        "predict, 1 client": costs.predict_few,
        "predict, 32 clients": costs.predict_many,
        f"predict, 32 clients, {100 * costs.missed:.0f}% read": costs.predict_missed,
        "adapt, 32 clients": costs.adapt_many,
        "nothing, a second": costs.idle,
    }
    return [[f"`{model}`, {name}", *_cells(cost)] for name, cost in named.items()]


def _cells(cost: Cost) -> list[str]:
    return [
        f"{cost.service_ms:.2f}",
        f"{cost.database_ms:.3f}",
        f"{cost.num_transactions:.2f}",
        f"{cost.wal_bytes:,.0f}",
    ]


def _of_a_task(model: str, costs: Costs) -> str:
    return (
        f"- A task of `{model}`: {costs.disk_bytes / 1024:.1f} KiB in tables, {costs.cache_bytes / 1024:.1f} KiB in "
        f"memory; a process: {costs.resident_mib:,.0f} MiB."
    )


def _first(full: Mapping[str, float]) -> str:
    return "; ".join(f"{name}: {times:.1f}" for name, times in sorted(full.items(), key=lambda each: each[1]))


def measure(seconds: float, num_tasks: int) -> dict[str, object]:
    """Of each model, beside where it was."""
    with setting(seconds) as found:
        costs = {model: asdict(found.costs(model, num_tasks)) for model in MODELS}
    return {"machine": machine(), "seconds": seconds, "tasks": num_tasks, "models": costs}


def main(
    tasks: int = 1_000_000,
    requests: Annotated[float, typer.Option(help="A second.")] = 10_000.0,
    adapts: Annotated[float, typer.Option(help="The share of requests that adapt.")] = 0.02,
    out: Annotated[Path, typer.Option(help="Unit costs, measured if it is not there.")] = Path("unit-costs.json"),
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 5.0,
    results: Annotated[Path | None, typer.Option(help="The page to write to.")] = None,
) -> None:
    """Measure what is not measured yet, and multiply."""
    if not out.exists():
        out.write_text(json.dumps(measure(seconds, NUM_MEASURED), indent=1))
    found = json.loads(out.read_text())
    costs = TypeAdapter(dict[str, Costs]).validate_python(found["models"])
    head = f"`{command('arithmetic')}`; unit costs: {found['machine']}, PostgreSQL as it ships, "
    head += f"{found['tasks']} tasks of each model, {found['seconds']:g} s each."
    text = f"{head}\n\n{told(costs, Demand(tasks, requests, adapts))}"
    typer.echo(text)
    if results is not None:
        put(results, "arithmetic", text)


if __name__ == "__main__":
    typer.run(main)
