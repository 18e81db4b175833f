"""Serving beside what users would build and beside the machine's limits: `python -m benchmarks.serve`.

The service and each rival are processes on one core, the load generator has another. Every finished cell is kept in
`--out`; a run that was killed goes on behind them, and the tables are written of all that is there.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.page import command
from benchmarks.serving.cells import Cell, Kept, run_cell
from benchmarks.serving.plan import MODELS, cells, multiplexed
from benchmarks.serving.same import check
from benchmarks.serving.servers import Running, running
from benchmarks.serving.tables import write

QUICK_S, QUICK_PIECES = 1.0, 1


def main(
    model: Annotated[list[str] | None, typer.Option(help="Of these models alone.")] = None,
    only: Annotated[str | None, typer.Option(help="Cells whose name has this in it.")] = None,
    seconds: Annotated[float, typer.Option(help="Of a piece; arms of a cell alternate in pieces.")] = 4.0,
    pieces: int = 3,
    quick: Annotated[bool, typer.Option(help="A second a piece, one piece.")] = False,
    out: Annotated[Path, typer.Option(help="Where finished cells are kept.")] = Path("serving-cells"),
    results: Annotated[Path, typer.Option(help="The page of the tables.")] = Path("docs/results.md"),
) -> None:
    """Measure what is not measured yet, and write the tables."""
    kept = Kept(out)
    length = (QUICK_S, QUICK_PIECES) if quick else (seconds, pieces)
    models = model or list(MODELS)
    service, generator = _cores()
    os.sched_setaffinity(0, generator)
    for part in (cells(models), multiplexed(models)):
        for each in models:
            wanted = [cell for cell in part if cell.model == each and _is_asked(cell, only, kept)]
            with _servers(each, service) as start:
                for cell in wanted:
                    _measure(cell, start, kept, *length)
                    write(results, kept, command("serve"))


def _is_asked(cell: Cell, only: str | None, kept: Kept) -> bool:
    return (only is None or only in cell.name) and kept.get(cell.slug) is None


def _measure(cell: Cell, start: Callable[[str], Running], kept: Kept, seconds: float, num_pieces: int) -> None:
    typer.echo(f"{cell.model}, {cell.name}")
    check(cell.model, [start(arm.server) for arm in cell.arms])
    found = run_cell(cell, start, seconds, num_pieces)
    kept.put(cell.slug, found)
    for name, runs in found.items():
        typer.echo(f"  {name}: " + "; ".join(f"{each['per_s']:.0f}/s {each['cpu_ms']:.3f} CPU-ms" for each in runs))


def _cores() -> tuple[set[int], set[int]]:
    """One for what is measured, and the others for who measures."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


@contextmanager
def _servers(model: str, cores: set[int]) -> Iterator[Callable[[str], Running]]:
    """Servers of this model, each started when it is first asked for, and all ended together."""
    with ExitStack() as stack:
        started: dict[str, Running] = {}

        def start(name: str) -> Running:
            if name not in started:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                started[name] = stack.enter_context(running(name, model, folder, cores))
            return started[name]

        yield start


if __name__ == "__main__":
    typer.run(main)
