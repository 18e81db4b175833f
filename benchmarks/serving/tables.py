"""The tables of the page, of what was measured so far."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.page import put, table
from benchmarks.serving.aims import PARTS, all_aims, costs
from benchmarks.serving.cells import Cell, Figures, Kept, median
from benchmarks.serving.plan import MODELS, every_cell
from models.training.evaluate import hardware

HEAD = ("cell", "arm", "answers/s", "spread", "p50 ms", "p95", "p99", "CPU-ms an answer", "resident MiB", "no answer")
LIMITS = ("CPU-ms", *PARTS, "these", "forecasts", "kshot", "of these")

PAUSE = timedelta(minutes=30)  # between cells of one run and those of another


def write(page: Path, kept: Kept, told: str) -> None:
    """Write anew what there is something of."""
    caption = (
        f"`{told}`, {hardware()}, SQLite, API keys on, durable as shipped, no log of "
        "requests. What is measured has one core, with all of its processes, and the load generator the other; or both "
        "have all (cells that say so); there kshot has as many threads as it takes by itself, each rival a worker of "
        "one thread a core. Closed loops, one input a request, none like another; each answer counts "
        "by the share of its time that was measured; "
        "texts are encoded every time (KSHOT_TEXT_CACHE_MIB=0), and nobody is refused (KSHOT_MAX_WAIT_MS=10000). "
        "Arms of a cell take turns; "
        "medians of the pieces, and the least and the most of their ratios. " + " ".join(_runs(kept.moments()))
    )
    aims = [[aim.figure, aim.aim, aim.reached(kept) or "not measured"] for aim in all_aims()]
    put(page, "serving, aims", f"{caption}\n\n{table(('figure', 'aim', 'reached'), aims)}")
    if rows := list(_limits(kept)):
        put(page, "serving, limits", f"What an answer must cost, and costs:\n\n{table(LIMITS, rows)}")
    for model in MODELS:
        if rows := list(_rows(model, kept)):
            put(page, f"serving, {model}", f"`{model}`:\n\n{table(HEAD, rows)}")


def _runs(moments: Mapping[str, datetime]) -> Iterator[str]:
    """When the cells were measured; of earlier runs, which may be of earlier code, also which they are."""
    runs: list[dict[str, datetime]] = []
    for name, moment in moments.items():
        if not runs or moment - max(runs[-1].values()) > PAUSE:
            runs.append({})
        runs[-1][name] = moment
    for run in reversed(runs):
        until = f"until {max(run.values()):%Y-%m-%d %H:%M} UTC"
        yield f"Measured {until}." if run is runs[-1] else f"Of an earlier run, {until}: {'; '.join(run)}."


def _limits(kept: Kept) -> Iterator[list[str]]:
    for model in MODELS:
        for kind in ("predict", "adapt"):
            if found := costs(kept, model, "adapt" if kind == "adapt" else "predict"):
                spent, parts, forecast = found
                whole = sum(parts.values())
                shown = [*parts.values(), whole, forecast, spent]
                yield [f"`{model}`, {kind}", *(f"{each:.3f}" for each in shown), f"{spent / whole:.2f}"]


def _rows(model: str, kept: Kept) -> Iterator[list[str]]:
    for cell in every_cell(model):
        if cell.arms and (found := kept.get(model, cell.name)):
            yield from (_row(cell, name, runs) for name, runs in found.items())


def _row(cell: Cell, name: str, runs: list[Figures]) -> list[str]:
    per_s = [run["per_s"] for run in runs]
    spread = f"{min(per_s):.0f}-{max(per_s):.0f}"
    ms = [f"{median(runs, each):.1f}" for each in ("p50_ms", "p95_ms", "p99_ms")]
    rest = f"{median(runs, 'cpu_ms'):.3f}", f"{median(runs, 'resident_mib'):.0f}", f"{median(runs, 'num_other'):.0f}"
    return [cell.name, name, f"{median(runs, 'per_s'):.0f}", spread, *ms, *rest]
