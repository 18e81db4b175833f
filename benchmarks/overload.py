"""Three times what a service can do: `python -m benchmarks.overload`, a `kshot serve` and one of its models.

The service has one core, the generator another. They share a machine still, so the generator must do the same in what
is compared: it always sends three times the capacity, at capacity with the excess to a stub that refuses as the service
would. Capacity is the most that was answered while a quarter more was asked, again and again until that was no more.
Runs at capacity and under overload alternate.
"""

import asyncio
import os
import resource
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
import uvloop

from benchmarks.asked import predictions
from benchmarks.load import NUM_DRAWN, Run, measured, popular
from benchmarks.page import command, put, table
from benchmarks.seen import OK, Measured
from benchmarks.served import Served, serving
from benchmarks.stub import Kind, Stub, serving_stub
from benchmarks.witness import Witness, wait_ms, watching

TIMES = 3.0
ASKED, NUM_PIECES = (0.9, 1.0, TIMES), 3
FIRST_CLIENTS, MORE = 32, 1.25  # capacity is looked for from what so many clients get, with so much more
IS_MORE = 1.03  # or it is the most that there is
NUM_CONNECTIONS = 2048  # to the service, and as many to the stub: more than may be inside, or they are what holds back
REUSED_S = 4.0  # a connection that is asked on no earlier may have been closed by the service, which waits for 5
NUM_TASKS = 64
WARM_S, SEARCH_S = 1.0, 5.0
MAX_FAILED = 2  # looks for more that found none
REFUSED = (429,)
STUBS: Final[Sequence[Kind]] = ("refuse", "echo")
HEAD = (
    "asked",
    "a second",
    "answered",
    "of those at 1",
    "p50 ms",
    "p99",
    "refused",
    "p50 ms",
    "p99",
    "other",
    "sent late p99 ms",
)


@dataclass(frozen=True)
class Found:
    """What was seen of one model."""

    capacity: float
    rows: list[list[str]]
    memory: tuple[float, float]
    echo_per_s: float
    witness_ms: float
    cpu_us: tuple[float, float]  # of an answer, and of a refusal


def main(
    model: str = "vectors",
    seconds: Annotated[float, typer.Option(help="Of a row of the table, in three pieces.")] = 60.0,
    page: Path = Path("docs/reliability.md"),
) -> None:
    """Measure capacity, and what is left of it under three times as much; write the table."""
    load = os.getloadavg()[0]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # of the service too
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        core, *others = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
        database = f"sqlite+aiosqlite:///{folder}/kshot.db"
        served = stack.enter_context(serving(Path(folder), database, log_level="info"))
        os.sched_setaffinity(0, others or {core})
        stub, echo = (stack.enter_context(serving_stub(kind)) for kind in STUBS)
        witness = stack.enter_context(watching(core))
        requests = predictions(served.url, model, NUM_TASKS)
        found = uvloop.run(look(served, stub, echo, witness, requests, seconds))
    text = f"{_caption(model, found, load, seconds)}\n\n{table(HEAD, found.rows)}"
    put(page, f"overload, {model}", text)
    typer.echo(text)


async def look(
    served: Served, stub: Stub, echo: Stub, witness: Witness, requests: Sequence[bytes], seconds: float
) -> Found:
    """All runs of one model."""
    order = popular(len(requests), NUM_DRAWN)
    asking = _Asking(served, stub, requests, order)
    bare = await Run(echo.url, requests, order, FIRST_CLIENTS).closed_loop(WARM_S, 2.0)
    capacity = await asking.capacity()
    witness.gaps_s()  # those while capacity was looked for
    runs: dict[float, list[Measured]] = {times: [] for times in ASKED}
    for _ in range(NUM_PIECES):
        for times, own in runs.items():
            own.append(await asking.both(times * capacity, (TIMES - times) * capacity, seconds / NUM_PIECES))
            typer.echo(" | ".join(row(times, own[-1:], capacity)))
    over = runs[TIMES]
    memory = over[0].server.before.resident_mib, over[-1].server.after.resident_mib
    at_capacity = float(np.mean([each.seen.per_s() for each in runs[1.0]]))
    return Found(
        capacity,
        [row(times, own, at_capacity) for times, own in runs.items()],
        memory,
        bare.per_s(),
        wait_ms(witness.gaps_s(), 0.99),
        cpu_us(runs[1.0], over),
    )


def cpu_us(at_capacity: Sequence[Measured], over: Sequence[Measured]) -> tuple[float, float]:
    """CPU of the service for an answer, as at capacity, and what is left of that under overload for a refusal."""
    (cpu_s, num_answers, _), (over_s, num_over, num_refused) = (_used(runs) for runs in (at_capacity, over))
    answer_s = cpu_s / num_answers
    return 1e6 * answer_s, 1e6 * max(0.0, over_s - num_over * answer_s) / max(num_refused, 1)


def _used(runs: Sequence[Measured]) -> tuple[float, float, float]:
    """Seconds of CPU, answers and refusals."""
    answers, refusals = (sum(run.seen.per_s(each) * run.seen.seconds for run in runs) for each in (OK, REFUSED))
    return sum(run.server.cpu_s for run in runs), answers, refusals


@dataclass(frozen=True)
class _Asking:
    """One generator of two streams, that to the service and that of the excess."""

    served: Served
    stub: Stub
    requests: Sequence[bytes]
    order: np.ndarray

    async def capacity(self) -> float:
        """The most that is answered a second."""
        closed = await Run(self.served.url, self.requests, self.order, FIRST_CLIENTS).closed_loop(WARM_S, SEARCH_S)
        most = closed.per_s()
        num_failed = 0
        while num_failed < MAX_FAILED:
            found = (await self.both(MORE * most, (TIMES - MORE) * most, SEARCH_S)).seen.per_s()
            num_failed = 0 if found > IS_MORE * most else num_failed + 1
            most = max(found, most)
        return most

    async def both(self, rate_per_s: float, excess_per_s: float, seconds: float) -> Measured:
        """What the service was seen to do."""
        to_service, to_stub = (
            Run(each.url, self.requests, self.order, min(NUM_CONNECTIONS, max(1, int(REUSED_S * rate))))
            for each, rate in ((self.served, rate_per_s), (self.stub, excess_per_s))
        )
        service = measured(to_service.open_loop(rate_per_s, WARM_S, seconds), self.served.pid, WARM_S, seconds)
        if excess_per_s <= 0:
            return await service
        found, _ = await asyncio.gather(service, to_stub.open_loop(excess_per_s, WARM_S, seconds, seed=1))
        return found


def row(times: float, runs: Sequence[Measured], capacity: float) -> list[str]:
    """What is told of runs alike, taken together."""
    seconds = sum(each.seen.seconds for each in runs)
    num_asked = sum(sum(each.seen.counts().values()) for each in runs)
    answered = sum(each.seen.per_s() * each.seen.seconds for each in runs) / seconds
    ms, refused_ms = (np.concatenate([each.seen.ms(statuses) for each in runs]) for statuses in (OK, REFUSED))
    other = num_asked - len(ms) - len(refused_ms)
    late_ms = np.concatenate([each.seen.late_ms() for each in runs])
    return [
        f"{times:g} of capacity",
        f"{num_asked / seconds:.0f}",
        f"{answered:.0f}",
        f"{answered / capacity:.2f}",
        *(f"{np.quantile(ms, level):.0f}" if len(ms) else "" for level in (0.5, 0.99)),
        f"{len(refused_ms) / max(num_asked, 1):.1%}",
        *(f"{np.quantile(refused_ms, level):.0f}" if len(refused_ms) else "" for level in (0.5, 0.99)),
        f"{other}",
        f"{np.quantile(late_ms, 0.99):.0f}",
    ]


def _caption(model: str, found: Found, load: float, seconds: float) -> str:
    return (
        f"`{command('overload')}`, {os.cpu_count()} cores at a load of {load:.1f} before, {_priority()}SQLite, "
        f"{NUM_TASKS} tasks of `{model}`, predictions of one input. Capacity: {found.capacity:.0f} a second. "
        f"{seconds:g} s a row in {NUM_PIECES} pieces that alternate. The service has one core; the generator has "
        f"another and always sends {TIMES:g} times the capacity, what is not for the service to a stub; from an echo "
        f"it gets {found.echo_per_s / found.capacity:.0f} times the capacity. Memory of the service before and after, "
        f"MiB: {found.memory[0]:.0f}, {found.memory[1]:.0f}. A process that only wakes had to wait for the "
        f"service's core for up to {found.witness_ms:.0f} ms (p99 of any moment): others' part of every latency. "
        f"CPU of an answer, as at capacity, {found.cpu_us[0]:.0f} us; of a refusal, as what is left under overload, "
        f"{found.cpu_us[1]:.0f}; an answer of the echo, which looks at no head, {1e6 / found.echo_per_s:.0f}."
    )


def _priority() -> str:
    """The part of the machine that is asked for, where sessions share it (autogroups of Linux)."""
    file = Path("/proc/self/autogroup")
    nice = file.read_text().split()[-1] if file.is_file() else "0"
    return "" if nice == "0" else f"beside others on the machine at nice {nice} of the session, "


if __name__ == "__main__":
    typer.run(main)
