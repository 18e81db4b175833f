"""What a batch of predictions costs behind the routes: `python -m benchmarks.parts` writes it to docs/performance.md.

CPU of this process alone, the best of several tries: waiting costs nothing, and whoever shares the machine little. Each
part stands beside its floor, which does the same with nothing of the service round it.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import typer

from benchmarks.page import command, put, table
from benchmarks.serving.stored import FRESH
from models import checkpoint, zoo
from models.learner import Learner
from models.pauses import at_once
from models.types import Rows, TaskParams
from service.engine.arrays import LabelledArrays
from service.engine.ask import Ask, Query
from service.engine.batch import run_batch
from service.engine.cache import CachedTask, texts_of
from service.engine.collate import rows_of
from service.engine.compute import Compute
from service.engine.packed import pack, stack
from service.metrics import Metrics
from service.storage import queries
from service.storage.database import Database
from service.storage.migrate import upgrade
from service.storage.records import NewTask, NewVersion, Wanted

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
MODEL, NUM_WAYS, NUM_SHOTS = "vectors", 5, 5
BATCHES = (1, 16)  # tasks, one query of each
NUM_TRIES, TRY_S = 5, 0.1  # of CPU
HEAD = ("part", "tasks in the batch", "floor, CPU-µs", "kshot, CPU-µs", "over the floor, a request")

Part: TypeAlias = tuple[str, int, float, float]
Work: TypeAlias = Callable[[], Awaitable[object]]


async def cpu_us(work: Work) -> float:
    """Of one call, on all threads: the best of several tries."""
    tries = []
    for _ in range(NUM_TRIES):
        await work()
        began, num_calls = time.process_time(), 0
        while time.process_time() - began < TRY_S:
            await work()
            num_calls += 1
        tries.append(1e6 * (time.process_time() - began) / num_calls)
    return min(tries)


async def read(path: Path, num_tasks: int) -> Part:
    """What says that cached params are current; the floor is such a statement on the thread that asks."""
    await asyncio.to_thread(upgrade, url := f"sqlite+aiosqlite:///{path}")
    database = Database(url, metrics=Metrics())
    wanted = [Wanted("t", f"task_{number}", 1) for number in range(num_tasks)]
    for each in wanted:
        task = NewTask(each.tenant, each.task_id, None, MODEL, "classification", {})
        version = NewVersion(1, "0" * 64, ["a", "b"], None, 2, "0" * 64, "float32", {}, 0, b"params")
        insert = partial(queries.insert_task, task=task, version=version, examples=[], now=datetime.now(UTC))
        await database.write(insert)

    async def fetch() -> None:
        async with database.read_bare() as connection:
            assert len(await queries.fetch_params(connection, wanted)) == num_tasks

    with closing(sqlite3.connect(path, isolation_level=None)) as bare:
        batch = json.dumps([[each.tenant, each.task_id, 1] for each in wanted])

        async def floor() -> None:
            assert len(bare.execute(FRESH, [batch]).fetchall()) == num_tasks

        part = "the read of what is current", num_tasks, await cpu_us(floor), await cpu_us(fetch)
    await database.close()
    return part


async def computed(compute: Compute, digest: str, tasks: Sequence[CachedTask]) -> Part:
    """A batch on the device's thread; the floor is the learner on params and rows that are stacked already."""
    loop, metrics = asyncio.get_running_loop(), Metrics()
    row = np.ones((1, *compute.checkpoints[digest].inputs.shape), np.float32)
    params = stack([task.params for task in tasks], compute.device)
    asks = [Ask(digest, Query(("t", str(n)), row, None, task), loop.create_future()) for n, task in enumerate(tasks)]
    rows = rows_of(torch.from_numpy(np.concatenate([row] * len(tasks))), [1] * len(tasks))

    async def batch() -> None:
        for _ in run_batch(compute, asks, lambda outcomes: None, metrics):
            pass

    floor = partial(_bare, compute.learners[digest], params, rows)
    return f"the device's thread, `{MODEL}`", len(tasks), await cpu_us(floor), await cpu_us(batch)


async def _bare(learner: Learner, params: TaskParams, rows: Rows) -> None:
    learner.predict(params, rows)


def _tasks(compute: Compute, digest: str, num_tasks: int) -> list[CachedTask]:
    """Different ones, on the device."""
    rng, classes = np.random.default_rng(0), np.repeat(np.arange(NUM_WAYS), NUM_SHOTS)
    shape = (len(classes), *compute.checkpoints[digest].inputs.shape)
    supports = [
        LabelledArrays(rng.normal(size=shape).astype(np.float32), classes, NUM_WAYS, None) for _ in range(num_tasks)
    ]
    texts = texts_of([f"label {number}" for number in range(NUM_WAYS)])
    adapted = at_once(compute.adapt(digest, supports))
    return [CachedTask(1, digest, pack(each.params), 0.0, texts) for each in adapted]


async def parts() -> list[Part]:
    """All of them."""
    found = checkpoint.load(Path(zoo.__path__[0]) / MODEL)
    compute = Compute({found.digest: found}, torch.device("cpu"), torch.float32, Metrics())
    with tempfile.TemporaryDirectory() as folder:
        measured = [await read(Path(folder) / f"{num_tasks}.db", num_tasks) for num_tasks in BATCHES]
    with torch.inference_mode():
        tasks = _tasks(compute, found.digest, max(BATCHES))
        return measured + [await computed(compute, found.digest, tasks[:num_tasks]) for num_tasks in BATCHES]


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    rows = [
        (name, str(num_tasks), f"{floor:.0f}", f"{kshot:.0f}", f"{(kshot - floor) / num_tasks:.1f}")
        for name, num_tasks, floor, kshot in asyncio.run(parts())
    ]
    put(PAGE, "parts", f"`{command('parts')}`, SQLite\n\n{table(HEAD, rows)}")


if __name__ == "__main__":
    typer.run(main)
