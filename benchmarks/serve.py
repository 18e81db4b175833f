"""Serving beside what users would build and beside the machine's limits: `python -m benchmarks.serve`.

The service and each rival are processes on one core, the load generator has another. What was measured is kept in
`--out`, cell by cell: a run that was killed goes on behind it, and the tables are written of all that is there.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.page import command
from benchmarks.serving.cells import Cell, Kept, run_cell
from benchmarks.serving.plan import MODELS, SPECIALS, groups, last, more
from benchmarks.serving.same import check
from benchmarks.serving.servers import NUM_MADE, Fleet, Running, on_cores
from benchmarks.serving.special import Place
from benchmarks.serving.tables import write

QUICK_S, QUICK_PIECES = 1.0, 1


def main(
    model: Annotated[list[str] | None, typer.Option(help="Of these models alone.")] = None,
    only: Annotated[str | None, typer.Option(help="What has this in its name.")] = None,
    seconds: Annotated[float, typer.Option(help="Of a piece.")] = 3.0,
    pieces: Annotated[int, typer.Option(help="That an arm has, in turns with the others of its cell.")] = 3,
    quick: Annotated[bool, typer.Option(help="A second a piece, one piece.")] = False,
    out: Annotated[Path, typer.Option(help="Where finished cells are kept.")] = Path("serving-cells"),
    results: Annotated[Path, typer.Option(help="The page of the tables.")] = Path("docs/results.md"),
) -> None:
    """Measure what is not measured yet, and write the tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    length = (QUICK_S, QUICK_PIECES) if quick else (seconds, pieces)
    place, models = Place(Kept(out), {min(os.sched_getaffinity(0))}, *length), model or list(MODELS)
    failed = list[str]()

    def measure(parts: Iterable[list[Cell]]) -> None:
        for cells in parts:
            failed.extend(_group(place, [cell for cell in cells if _is_wanted(place, cell.model, cell.name, only)]))

    try:
        measure(groups(models))
        for (about, name), special in SPECIALS.items():
            if about in (*models, "all") and _is_wanted(place, about, name, only):
                with on_cores(place.other_cores):
                    failed += _tried(place, about, name, partial(special, place, about))
        measure(chain(more(models), last(models)))
    finally:  # also of a run that is stopped
        write(results, place.kept, command("serve"))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _is_wanted(place: Place, model: str, name: str, only: str | None) -> bool:
    return (only is None or only in name) and place.kept.get(model, name) is None


def _group(place: Place, cells: Sequence[Cell]) -> list[str]:
    """What failed of cells whose servers are the same."""
    if not cells:
        return []
    model, failed = cells[0].model, list[str]()
    cores = place.all_cores if cells[0].has_all_cores else place.cores
    with ExitStack() as stack:
        fleet = Fleet(model, cores, stack)
        stack.enter_context(on_cores(place.all_cores if cells[0].has_all_cores else place.other_cores))
        for cell in cells:
            failed += _tried(place, model, cell.name, partial(_measure, place, cell, fleet))
    return failed


def _measure(place: Place, cell: Cell, fleet: Fleet) -> Any:
    if not cell.arms:
        return _limits(place, fleet.get("kshot"))
    check(cell.model, [fleet.get(arm.server) for arm in cell.arms])
    found = run_cell(cell, fleet, place.seconds, place.num_pieces)
    for name, runs in found.items():
        typer.echo(f"  {name}: " + "; ".join(f"{each['per_s']:.0f}/s {each['cpu_ms']:.3f} CPU-ms" for each in runs))
    return found


def _limits(place: Place, server: Running) -> Any:
    """In a process of its own, as torch need not be in the generator's."""
    server.fill(NUM_MADE)
    asked = [sys.executable, "-m", "benchmarks.serving.limits", server.model, str(server.database)]
    with on_cores(place.cores):
        return json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)


def _tried(place: Place, model: str, name: str, work: Callable[[], Any]) -> list[str]:
    """Its name, if it failed: the others are worth having without it."""
    began = time.monotonic()
    typer.echo(f"{model}, {name}")
    try:
        found = work()
    except Exception as error:
        typer.echo(f"  failed: {error!r}", err=True)
        return [f"{model}, {name}"]
    if found is not None:
        place.kept.put(model, name, found)
    typer.echo(f"  {time.monotonic() - began:.0f} s" + (f": {found}" if model == "all" or "limits" in name else ""))
    return []


if __name__ == "__main__":
    typer.run(main)
