"""The tables of the page, of the cells that are there."""

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.page import put, table
from benchmarks.serving.aims import AIMS
from benchmarks.serving.cells import Cell, Figures, Kept, median
from benchmarks.serving.plan import MODELS, cells, multiplexed

HEAD = ("cell", "arm", "answers/s", "spread", "p50 ms", "p95", "p99", "CPU-ms an answer", "resident MiB", "no answer")


def write(page: Path, kept: Kept, told: str) -> None:
    """Write every table anew."""
    caption = (
        f"`{told}`, {os.cpu_count()} cores, torch on one thread, SQLite, API keys on, durable as shipped. What is "
        "measured has one core, with all of its processes; the load generator has the other. Closed loops of one input "
        "a request. Arms of a cell alternate; medians of the pieces, and the least and the most."
    )
    aims = [[aim.figure, aim.aim, aim.reached(kept) or "not measured"] for aim in AIMS]
    put(page, "serving, aims", f"{caption}\n\n{table(('figure', 'aim', 'reached'), aims)}")
    for model in MODELS:
        if rows := list(_rows(model, kept)):
            put(page, f"serving, {model}", f"`{model}`:\n\n{table(HEAD, rows)}")


def _rows(model: str, kept: Kept) -> Iterator[list[str]]:
    for cell in (*cells([model]), *multiplexed([model])):
        if found := kept.get(cell.slug):
            yield from (_row(cell, name, runs) for name, runs in found.items())


def _row(cell: Cell, name: str, runs: list[Figures]) -> list[str]:
    per_s = [run["per_s"] for run in runs]
    spread = f"{min(per_s):.0f}-{max(per_s):.0f}"
    ms = [f"{median(runs, each):.1f}" for each in ("p50_ms", "p95_ms", "p99_ms")]
    rest = f"{median(runs, 'cpu_ms'):.3f}", f"{median(runs, 'resident_mib'):.0f}", f"{median(runs, 'num_other'):.0f}"
    return [cell.name, name, f"{median(runs, 'per_s'):.0f}", spread, *ms, *rest]
