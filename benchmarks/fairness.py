"""What a tenant notices of another: `python -m benchmarks.fairness`, a `kshot serve` with keys, over HTTP.

One tenant asks over one connection, first alone and then beside one that asks over twenty without a pause; then two ask
over twenty each. Each tenant is a process of its own. All in one run: what a busy machine takes it takes from all.
"""

import asyncio
import base64
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Annotated, Any

import httpx
import numpy as np
import torch
import typer
from PIL import Image

from benchmarks.page import command, put, table
from benchmarks.served import serving
from models.inputs.image import GlyphInput
from service.engine.device import choose_dtype
from service.engine.slices import rows_a_slice, unit_of
from service.settings import Settings

CPU = torch.device("cpu")
SLICE_IMAGES = rows_a_slice(GlyphInput(), unit_of(CPU, choose_dtype("auto", CPU)))  # a slice, however fast it is
MANY = 20  # connections of a tenant that floods
PAUSE_S = 0.02  # of the one that does not, between its requests
WARM_S = 2.0
READY_TIMEOUT_S = 120.0
HEAD = ("a request of 8 images, ms", "alone p50", "p99", "beside p50", "p99", "p99 later by", "slices")
SHARES = ("both ask over 20 connections", "images/s of one", "of the other", "share of the lesser")

Page = Annotated[Path, typer.Option(help="The page of the tables.")]


@dataclass(frozen=True)
class Load:
    """What a tenant sends for a while: so many connections ask a task about so many images, or adapt to them."""

    key: str
    num_connections: int
    num_images: int
    pause_s: float = 0.0
    adapts: bool = False


@dataclass(frozen=True)
class Seen:
    """Of each answer: milliseconds of the request, and those in the queue and on the device; and images a second."""

    whole_ms: list[float]
    device_ms: list[float]
    images_per_s: float


def main(seconds: float = 15.0, page: Page = Path("docs/reliability.md")) -> None:
    """Measure what a flood costs another tenant, and how two floods share; write the tables."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite+aiosqlite:///{folder}/kshot.db"
        keys = [made_key(database, tenant) for tenant in ("quiet", "loud")]
        with serving(Path(folder), database, auth="on") as served:
            slice_ms, waits, shares = measured(served.url, keys, seconds)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    caption = f"`{command('fairness')}`, {cores} cores at a load of {load:.1f}, 1 compute thread, SQLite, "
    caption += f"{seconds:g} s a cell. "
    caption += (
        f"A slice is meant to be {Settings().slice_ms:g} ms (KSHOT_SLICE_MS); that of {SLICE_IMAGES} images, which "
    )
    caption += f"is not cut further, took {slice_ms:.0f} ms here (median, alone)."
    text = f"{caption}\n\n{table(HEAD, waits)}\n\n{table(SHARES, shares)}"
    put(page, "fairness", text)
    print(text)


def measured(url: str, keys: Sequence[str], seconds: float) -> tuple[float, list[list[str]], list[list[str]]]:
    """Milliseconds of a slice, and the rows of both tables."""
    slice_ms = float(np.median(run(url, seconds, Load(keys[0], 1, SLICE_IMAGES))[0].device_ms))
    quiet = Load(keys[0], 1, 8, PAUSE_S)
    floods = {
        "predictions of 8 images": Load(keys[1], MANY, 8),
        "predictions of 32 images": Load(keys[1], MANY, 32),
        "adaptations to 32 images": Load(keys[1], MANY, 32, adapts=True),
    }
    waits = []
    for name, flood in floods.items():
        (alone,) = run(url, seconds, quiet)
        beside, _ = run(url, seconds, quiet, flood)
        waits.append(wait_row(f"beside {name}, whole request", alone.whole_ms, beside.whole_ms))
        waits.append(wait_row(f"beside {name}, queue and device", alone.device_ms, beside.device_ms))
    shares = []
    for sizes in ((8, 8), (8, 32)):
        one, other = run(url, seconds, *(Load(key, MANY, size) for key, size in zip(keys, sizes, strict=True)))
        rates = one.images_per_s, other.images_per_s
        name = f"about {sizes[0]} images and about {sizes[1]}"
        shares.append([name, f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{min(rates) / sum(rates):.2f}"])
    return slice_ms, waits, shares


def wait_row(name: str, alone: Sequence[float], beside: Sequence[float]) -> list[str]:
    """What is told of the same requests alone and beside others; how much later also in slices as they are meant."""
    figures = [np.quantile(each, level) for each in (alone, beside) for level in (0.5, 0.99)]
    later_ms = figures[3] - figures[1]
    row = [name, *(f"{each:.0f}" for each in (*figures, later_ms)), f"{later_ms / Settings().slice_ms:.1f}"]
    print(*row, sep=" | ", flush=True)
    return row


def run(url: str, seconds: float, *loads: Load) -> list[Seen]:
    """What each tenant saw, all at the same time."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(len(loads), context) as pool:
        barrier = manager.Barrier(len(loads), timeout=READY_TIMEOUT_S)
        return [each.result() for each in [pool.submit(send, url, load, barrier, seconds) for load in loads]]


def send(url: str, load: Load, barrier: Barrier, seconds: float) -> Seen:
    """One tenant, in a process of its own."""
    return asyncio.run(_send(url, load, barrier, seconds))


async def _send(url: str, load: Load, barrier: Barrier, seconds: float) -> Seen:
    limits = httpx.Limits(max_connections=load.num_connections)
    headers = {"Authorization": f"Bearer {load.key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits) as http:
        asked = images(load.num_images)
        support = [{"input": image, "label": "ab"[number % 2]} for number, image in enumerate(asked)]
        adapting: dict[str, Any] = {"model": "glyphs", "support": support}
        task = (await http.post("/v1/tasks", json=adapting)).raise_for_status().json()
        path, body = "/v1/tasks", adapting
        if not load.adapts:
            path, body = f"/v1/tasks/{task['id']}/predictions", {"inputs": asked}
        barrier.wait()
        first = time.monotonic() + WARM_S
        seen: list[tuple[float, float]] = []
        asking = [_ask(http, load, path, body, (first, first + seconds), seen) for _ in range(load.num_connections)]
        await asyncio.gather(*asking)
    whole_ms, device_ms = ([each[place] for each in seen] for place in (0, 1))
    return Seen(whole_ms, device_ms, len(seen) * load.num_images / seconds)


async def _ask(
    http: httpx.AsyncClient,
    load: Load,
    path: str,
    body: Any,
    times: tuple[float, float],
    seen: list[tuple[float, float]],
) -> None:
    """Ask until the end; what ended between the times is seen."""
    first, end = times
    while (began := time.monotonic()) < end:
        answer = await http.post(path, json=body)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS and load.num_connections > 1:
            await asyncio.sleep(PAUSE_S)  # a flood comes back sooner than it is told to
            continue
        timing, over = answer.raise_for_status().json()["timing"], time.monotonic()
        if first <= over <= end:
            seen.append((1000 * (over - began), timing["queue_ms"] + timing["compute_ms"]))
        await asyncio.sleep(load.pause_s)


def images(count: int) -> list[dict[str, str]]:
    """Pictures with strokes on them, in base64."""
    rng, made = np.random.default_rng(0), []
    for _ in range(count):
        pixels = np.full((56, 56), 255, np.uint8)
        row, column = rng.integers(8, 40, 2)
        pixels[row : row + 12, column : column + 4] = 0
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        made.append({"image": base64.b64encode(stream.getvalue()).decode()})
    return made


def made_key(database_url: str, tenant: str) -> str:
    """A key of a tenant, in a database that is made if it is not there."""
    asked = [sys.executable, "-m", "service.cli", "keys", "create", "--tenant", tenant, "--scope", "admin"]
    own = {**os.environ, "KSHOT_DATABASE_URL": database_url}
    return subprocess.run(asked, env=own, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    typer.run(main)
