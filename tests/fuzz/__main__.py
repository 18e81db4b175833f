"""`python -m tests.fuzz TARGET... --minutes M`: so much CPU time for each; the counts go into a page, if asked.

With `--kept FILE` they are added to what earlier runs on the same code have counted there.
"""

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from benchmarks.page import command, put, table
from service.storage.migrate import upgrade
from tests.fuzz import kept
from tests.fuzz.running import Count, fuzz
from tests.fuzz.targets import TARGETS

WIRE = "wire"
HEAD = ("target", "cases", "taken", "refused as they should be", "CPU, minutes", "slowest, ms", "memory, MiB more")


def main() -> None:
    """Fuzz, print, and write."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("targets", nargs="*", metavar="TARGET", help=f"by default all: {', '.join(TARGETS)}, wire")
    asked.add_argument("--minutes", type=float, default=10.0, help="of CPU time, for each target")
    asked.add_argument("--cases", type=int, default=150, help="drawn for each route, of the target wire")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--kept", type=Path, help="where counts are kept for later runs on the same code to add to")
    asked.add_argument("--results", type=Path, help="the page that the counts are written into")
    given = asked.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, about what is damaged
    logging.getLogger("python_multipart").setLevel("ERROR")
    code = kept.code() if given.kept else ""
    counts = kept.load(given.kept, code) if given.kept else {}
    for name in given.targets or [*TARGETS, WIRE]:
        so_far = counts.get(name, Count())
        if name == WIRE:
            counts[name] = _wire(given.cases, given.seed, so_far)
        else:
            counts[name] = fuzz(TARGETS[name], cpu_s=60 * given.minutes, first_seed=given.seed, so_far=so_far)
        if given.kept:
            kept.save(given.kept, code, counts)
        sys.stdout.write(" | ".join(_row(name, counts[name])) + "\n")
        sys.stdout.flush()
    if given.results:
        put(given.results, "fuzz", _written(counts, is_kept=bool(given.kept)))


def _written(counts: Mapping[str, Count], *, is_kept: bool) -> str:
    """The block of the page; targets in their order, whatever order they were asked in."""
    rows = [_row(name, counts[name]) for name in (*TARGETS, WIRE) if name in counts]
    runs = f", and runs before it on the same code (that of {kept.commit()})" if is_kept else ""
    told = f"`{command('fuzz', 'tests')}`{runs}, which ends at the first unexpected exception."
    return f"{told}\n\n{table(HEAD, rows)}"


def _row(name: str, count: Count) -> tuple[str, ...]:
    if name == WIRE:  # in as long as it takes
        return (name, f"{count.num_cases:,}", f"{count.taken:,}", f"{count.refused:,}", "", "", "")
    figures = f"{count.cpu_s / 60:.1f}", f"{1_000 * count.slowest_s:.0f}", f"{count.more_mib:.0f}"
    return (name, f"{count.num_cases:,}", f"{count.taken:,}", f"{count.refused:,}", *figures)


def _wire(num_examples: int, seed: int, so_far: Count) -> Count:
    from tests.fuzz.wire import run

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/kshot.db"
        upgrade(url)
        outcome = run(url, seed=seed + so_far.num_cases, num_examples=num_examples)
    broken = [*outcome.errors, *map(str, outcome.findings.values())]
    if broken:
        sys.exit("\n\n".join(broken))
    taken = sum(count for status, count in outcome.statuses.items() if status < 400)
    refused = sum(count for status, count in outcome.statuses.items() if 400 <= status < 500)
    return Count(so_far.taken + taken, so_far.refused + refused)


if __name__ == "__main__":
    main()
