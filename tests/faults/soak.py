"""A hundred thousand requests that write and read, by clients at once: `python -m tests.faults.soak`, in a folder.

Each client is a process that does whatever may be done (`living.py`) and stops at the first difference; the service is
another, so that what grows is the service's. Started again on the same folder, it goes on from where it was.
"""

import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
from hypothesis import settings as Settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks.page import command, put, table
from benchmarks.usage import usage_of
from service.client import Client
from service.storage.migrate import upgrade
from tests.faults.living import ENV, Living, lives
from tests.faults.zygote import Zygote

SMALL = {"KSHOT_CACHE_MIB": "8", "KSHOT_TEXT_CACHE_MIB": "1", "KSHOT_IDEMPOTENCY_TTL_S": "900", "MALLOC_ARENA_MAX": "2"}
SAMPLE_EVERY_S = 5.0
DRAWN = lives(5, is_drawn_anew=True)
DIFFERENCE = "difference"
WARM = 0.2  # of the requests: caches fill, and the allocator finds its size
COUNTED = re.compile(r'kshot_http_requests_total\{.*route="/v1/.*status="(\d+)".*\} (\S+)')
HEAD = ("of one process", "after a fifth", "in the middle", "at the end", "most")


@dataclass(frozen=True)
class Sample:
    """The service at one moment of one of its lives."""

    life: int
    num_requests: int  # since the first life began
    num_errors: int  # of them answered with a status from 500
    resident_mib: float
    num_handles: int
    num_threads: int


def main(
    folder: Annotated[Path, typer.Option(help="The database and what was seen; in memory, or every write is flushed.")],
    requests: int = 100_000,
    clients: int = 4,
    page: Path = Path("docs/reliability.md"),
) -> None:
    """Go on until so many requests have been answered; write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    assert not (folder / DIFFERENCE).exists(), "a client found a difference in this run"
    samples = read(folder / "samples.jsonl")
    if not samples or samples[-1].num_requests < requests:
        samples += soak(folder, requests, clients, samples)
    text = told(samples, clients)
    put(page, "soak", text)
    typer.echo(text)


def soak(folder: Path, requests: int, clients: int, before: Sequence[Sample]) -> list[Sample]:
    """One life of the service, until so many requests have been answered in all. Raises at a difference."""
    url = f"sqlite+aiosqlite:///{folder}/kshot.db"
    upgrade(url)
    life, first, errors = (before[-1].life + 1, before[-1].num_requests, before[-1].num_errors) if before else (1, 0, 0)
    samples: list[Sample] = []
    with ExitStack() as stack:
        zygote = stack.enter_context(Zygote(folder / "serve.log"))
        service = stack.enter_context(zygote.serving(ENV | SMALL | {"KSHOT_DATABASE_URL": url}))
        asking = [stack.enter_context(_Asking(service.url)) for _ in range(clients)]
        with (folder / "samples.jsonl").open("a") as file:
            while not samples or samples[-1].num_requests < requests:
                time.sleep(SAMPLE_EVERY_S)
                samples.append(sample(service.url, service.pid, life, first, errors))
                print(json.dumps(asdict(samples[-1])), file=file, flush=True)
                if not all(each.is_alive for each in asking):
                    (folder / DIFFERENCE).touch()  # a run that found one is not to be gone on with
                    raise AssertionError("a client found a difference")
    return samples


class _Asking:
    """A client in a process of its own, ended when it is left."""

    def __init__(self, url: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._process: BaseProcess = spawn.Process(target=live, args=(url,), daemon=True)

    def __enter__(self) -> "_Asking":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()


def live(url: str, is_enough: Callable[[], bool] = lambda: False, settings: Settings = DRAWN) -> None:
    """Do whatever may be done, again and again. Raises at a difference."""
    with Client(url) as kshot:
        Living.kshot = kshot
        while not is_enough():
            run_state_machine_as_test(Living, settings=settings)


def sample(url: str, pid: int, life: int = 1, first: int = 0, errors: int = 0) -> Sample:
    """What there is to see now; the counts go on from those of the lives before."""
    counted = COUNTED.findall(httpx.get(f"{url}/metrics", timeout=60).text)
    used = usage_of(pid)
    return Sample(
        life,
        first + sum(int(float(count)) for _, count in counted),
        errors
        + sum(int(float(count)) for status, count in counted if int(status) >= httpx.codes.INTERNAL_SERVER_ERROR),
        used.resident_mib,
        used.num_handles,
        sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()),
    )


def told(samples: Sequence[Sample], clients: int) -> str:
    """The figures of the longest life, and what all lives together did."""
    lives = {each.life: [other for other in samples if other.life == each.life] for each in samples}
    longest = max(lives.values(), key=lambda life: life[-1].num_requests - life[0].num_requests)
    warm = [each for each in longest if each.num_requests >= _after(longest, WARM)]
    columns = {
        "resident memory, MiB": [each.resident_mib for each in warm],
        "open files": [float(each.num_handles) for each in warm],
        "threads": [float(each.num_threads) for each in warm],
    }
    rows = [[name, *_row(values)] for name, values in columns.items()]
    last = samples[-1]
    caption = f"`{command('soak', 'tests.faults')}`, {os.cpu_count()} cores at a load of {os.getloadavg()[0]:.1f}, "
    caption += f"SQLite in memory. {last.num_requests:,} requests of {clients} clients at once in {len(lives)} "
    caption += f"{'life' if len(lives) == 1 else 'lives'} of the service, differences: 0, answers from 500 up: "
    caption += f"{last.num_errors}. Below the longest life, of "
    caption += f"{longest[-1].num_requests - longest[0].num_requests:,} requests; medians of a tenth of them each."
    return f"{caption}\n\n{table(HEAD, rows)}"


def _after(life: Sequence[Sample], part: float) -> float:
    first, last = life[0].num_requests, life[-1].num_requests
    return first + part * (last - first)


def _row(values: Sequence[float]) -> list[str]:
    tenth = max(1, len(values) // 10)
    middle = len(values) // 2
    parts = values[:tenth], values[middle : middle + tenth], values[-tenth:]
    return [*(f"{np.median(each):.0f}" for each in parts), f"{max(values):.0f}"]


def read(path: Path) -> list[Sample]:
    """What was seen before."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [Sample(**json.loads(line)) for line in lines]


if __name__ == "__main__":
    typer.run(main)
