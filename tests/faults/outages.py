"""Faults of the database x kinds of route, tried for real: `python -m tests.faults.outages`.

One process with two services, one of which may serve what it has cached, lives through all faults of a database.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer

from benchmarks.page import command, put, table
from service.engine.loading import Checkpoints
from service.storage.migrate import upgrade
from tests.faults.databases import POSTGRES, SQLITE, Fault, OnPostgres, OnSqlite, Outcome, Place
from tests.faults.deployment import Asked, Deployment, deployed, vectors_alone
from tests.faults.kinds import KINDS, Kind
from tests.faults.postgres import Server, behind, postgresql, small_disk
from tests.faults.proxy import proxied

TIMEOUTS: Final = {"busy_timeout_s": 1.0, "statement_timeout_s": 3.0, "pool_timeout_s": 5.0, "connect_timeout_s": 4.0}
BOUND_S = 5.0 + 4.0 + (3.0 + 1.0)  # to wait for a connection, to make it, and for a statement until we hang up
STALENESS_S = 3600.0
DISK_MIB = 96
BACK: Final = ("predict, cached", "read a task", "adapt")
HEAD: Final = ("while", "requests", "answered", "503, Retry-After", "else", "slowest, s", "back after, s", "wrong")
CAPTION: Final = (
    "One process with two services, strict and with `KSHOT_MAX_STALENESS_S`, went through all of it; "
    "timeouts: {timeouts}. {kinds} kinds of request at once when the fault begins, those that only read again after "
    "{hold_s:g} s, or as long as the fault says; a job is being done all the while. *Back*: from the end of the fault "
    "until a prediction, a read and a write are answered, one after another. *Wrong*: any other status, a prediction "
    "of a cached task that fails although it may serve, an answer later than the timeouts, an effect that is missing "
    "or there twice after every write was sent again under its `Idempotency-Key`, a process that is taken for lost, "
    "and whatever `kshot doctor` finds. Load of the machine: {load:.0f} on {cores} cores."
)

Page = Annotated[Path, typer.Option(help="The page of the table.")]


@dataclass(frozen=True)
class Tried:
    """What one fault did to one service: its answers, how soon it was itself again, and what was not as it should."""

    fault: Fault
    asked: list[Asked]
    back_s: float
    wrong: list[str]


async def tried(
    fault: Fault, place: Place, deployments: Sequence[Deployment], hold_s: float, busy_s: float
) -> list[Tried]:
    """One request of each kind when the fault begins, those that only read once more later, and all after its end."""
    reading = [kind for kind in KINDS if kind.needs != "writes"]
    for deployment in deployments:
        await deployment.prepare(place.admin_url)
        await deployment.wave(kind for kind in reading if kind.is_known)  # so that there are connections to lose
    async with running_job(deployments), fault.block(place):
        began = monotonic()
        first = await asyncio.gather(*(deployment.wave() for deployment in deployments))
        await asyncio.sleep(began + max(hold_s, fault.least_s) - monotonic())
        later = await asyncio.gather(*(deployment.wave(reading) for deployment in deployments))
    found = []
    for deployment, *waves in zip(deployments, first, later, strict=True):
        asked = [each for wave in waves for each in wave]
        back_s = max([await deployment.back(kind) for kind in KINDS if kind.name in BACK])
        wrong = [problem for each in asked for problem in judged(each, fault, deployment.is_strict, busy_s)]
        found.append(Tried(fault, asked, back_s, wrong + await deployment.effects()))
    return found


@asynccontextmanager
async def running_job(deployments: Sequence[Deployment]) -> AsyncIterator[None]:
    """Some process does a job meanwhile, which cannot end before the block does."""
    async with AsyncExitStack() as stack:
        task = await deployments[0].new_task()
        for deployment in deployments:
            await stack.enter_async_context(deployment.holding(task))
        await deployments[0].begin_job(task)
        yield


def judged(asked: Asked, fault: Fault, is_strict: bool, busy_s: float) -> list[str]:
    """What is wrong with an answer."""
    wanted = expected(asked.kind, fault, is_strict)
    is_outage = (asked.status, asked.is_problem) == (503, True) and asked.retry_after is not None
    is_right = {"works": asked.status < 400, "fails": is_outage, "either": asked.status < 400 or is_outage}[wanted]
    told = f"{asked.kind.name}: {asked.status} {asked.code} after {asked.seconds:.1f} s, where it {wanted}"
    return [] if is_right and asked.seconds < fault.num_waits * BOUND_S + busy_s else [told]


def expected(kind: Kind, fault: Fault, is_strict: bool) -> Outcome:
    """What a request of this kind may come to meanwhile."""
    if kind.needs == "cache" and not is_strict:
        return "works"
    return fault.writes if kind.needs == "writes" else fault.reads


@asynccontextmanager
async def both(url: str, admin_url: str, checkpoints: Checkpoints) -> AsyncIterator[list[Deployment]]:
    """A strict service and one that may serve what it has cached, on one database."""
    async with AsyncExitStack() as stack:
        start = partial(deployed, url, admin_url, checkpoints, **TIMEOUTS)
        yield [await stack.enter_async_context(start(max_staleness_s=each)) for each in (0.0, STALENESS_S)]


async def on_postgresql(
    server: Server,
    faults: Sequence[Fault],
    checkpoints: Checkpoints,
    hold_s: float,
    *,
    disk: Path | None = None,
    busy_s: float = 5.0,
) -> list[Tried]:
    """These faults, one after another, to a database on PostgreSQL."""
    found = []
    name = f"faults_{os.getpid()}_{len(faults)}"
    admin_url = await asyncio.to_thread(server.create, name, on=disk)
    try:
        async with proxied(server.dial) as (proxy, port):
            url = behind(admin_url, port)
            await asyncio.to_thread(upgrade, url)
            async with both(url, admin_url, checkpoints) as deployments:
                for fault in faults:
                    place = OnPostgres(server, proxy, admin_url, disk)
                    found += told(await tried(fault, place, deployments, hold_s, busy_s))
    finally:
        await asyncio.to_thread(server.drop, name)
    return found


async def on_sqlite(
    folder: Path,
    faults: Sequence[Fault],
    checkpoints: Checkpoints,
    hold_s: float,
    *,
    is_disk: bool = False,
    busy_s: float = 5.0,
) -> list[Tried]:
    """These faults, one after another, to a database in a file."""
    found = []
    place = OnSqlite(folder / "kshot.db", folder if is_disk else None)
    await asyncio.to_thread(upgrade, place.admin_url)
    async with both(place.admin_url, place.admin_url, checkpoints) as deployments:
        for fault in faults:
            found += told(await tried(fault, place, deployments, hold_s, busy_s))
    return found


def told(found: list[Tried]) -> list[Tried]:
    """The same, printed."""
    for each, mode in zip(found, ("strict", "with staleness"), strict=True):
        typer.echo(" | ".join([mode, *row(each.fault.name, [each])]))
        for wrong in each.wrong:
            typer.echo(f"    WRONG: {wrong}")
    return found


def row(name: str, found: Sequence[Tried]) -> list[str]:
    """What is told of a fault on the page."""
    asked = [each for one in found for each in one.asked]
    num_fine = sum(each.status < 400 for each in asked)
    num_refused = sum(each.status == 503 and each.retry_after is not None for each in asked)
    slowest, back_s = max(each.seconds for each in asked), max(one.back_s for one in found)
    wrong = sum(len(one.wrong) for one in found)
    others = len(asked) - num_fine - num_refused
    return [
        name,
        *map(str, (len(asked), num_fine, num_refused, others)),
        f"{slowest:.1f}",
        f"{back_s:.1f}",
        str(wrong),
    ]


def main(only: str = "", hold_s: float = 6.0, busy_s: float = 5.0, results: Page = Path("docs/reliability.md")) -> None:
    """Try every fault, or those whose name has `only` in it, and write what came of them; those are not written."""
    found = asyncio.run(_all(only, hold_s, busy_s))
    if not only:
        put(results, "outages", written(found, hold_s))
    if any(one.wrong for tries in found.values() for one in tries):
        raise typer.Exit(1)


def written(found: Mapping[str, Sequence[Tried]], hold_s: float) -> str:
    """The block of the page."""
    timeouts = ", ".join(f"{name} {seconds:g}" for name, seconds in TIMEOUTS.items())
    told = CAPTION.format(
        timeouts=timeouts, kinds=len(KINDS), hold_s=hold_s, load=os.getloadavg()[0], cores=os.cpu_count()
    )
    rows = []
    for database, tries in found.items():
        for name in dict.fromkeys(one.fault.name for one in tries):
            rows.append(row(f"{database}: {name}", [one for one in tries if one.fault.name == name]))
    return f"`{command('outages', 'tests.faults')}`. {told}\n\n{table(HEAD, rows)}"


async def _all(only: str, hold_s: float, busy_s: float) -> dict[str, list[Tried]]:
    checkpoints = vectors_alone()
    found: dict[str, list[Tried]] = {"PostgreSQL": [], "SQLite": []}
    wanted = {
        (name, is_disk): [fault for fault in faults if only in fault.name and fault.needs_disk == is_disk]
        for name, faults in {"PostgreSQL": POSTGRES, "SQLite": SQLITE}.items()
        for is_disk in (False, True)
    }
    with postgresql() as server:
        if faults := wanted["PostgreSQL", False]:
            found["PostgreSQL"] += await on_postgresql(server, faults, checkpoints, hold_s, busy_s=busy_s)
        if faults := wanted["PostgreSQL", True]:
            with small_disk(DISK_MIB) as disk:
                if disk is not None:
                    found["PostgreSQL"] += await on_postgresql(
                        server, faults, checkpoints, hold_s, disk=disk, busy_s=busy_s
                    )
    with tempfile.TemporaryDirectory() as folder:
        if faults := wanted["SQLite", False]:
            found["SQLite"] += await on_sqlite(Path(folder), faults, checkpoints, hold_s, busy_s=busy_s)
    if faults := wanted["SQLite", True]:
        with small_disk(DISK_MIB) as disk:
            if disk is not None:
                found["SQLite"] += await on_sqlite(disk, faults, checkpoints, hold_s, is_disk=True, busy_s=busy_s)
    return found


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
