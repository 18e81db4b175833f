"""Processes killed as they write, on both databases: `python -m tests.faults.kills --results docs/reliability.md`."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import get_args

from benchmarks import page
from service.storage.migrate import upgrade
from tests.faults.asking import Kind
from tests.faults.migrations import Migrations
from tests.faults.places import Place, every_place
from tests.faults.trial import NUM_WRITERS, Trial
from tests.faults.zygote import Zygote

MIGRATED_EVERY = 8  # kills, one is of a migration
MOMENTS = {
    "clock": "at a random moment",
    "statement": "between two statements of a transaction",
    "commit": "before a commit",
    "committed": "after a commit and before its answer",
}


class Campaign:
    """So many kills on one kind of database, or fewer where the time is up before."""

    def __init__(self, place: Place, zygote: Zygote, rounds: int, seed: int, duration_s: float = inf) -> None:
        self.name, started = place.name, time.monotonic()
        url, num_migrations = place.create("kills"), max(1, rounds // MIGRATED_EVERY)
        upgrade(url)
        self.trial = Trial(url, zygote, seed)
        while (done := self.trial.moments.total()) < rounds - num_migrations:
            if time.monotonic() - started > duration_s * (1 - 1 / MIGRATED_EVERY):
                break
            self.trial.live()
            say(f"{self.name}: {done + 1} kills")
        self.trial.close()
        self.migrations = Migrations(place, "kills", zygote, seed)
        while (done := self.migrations.moments.total()) < num_migrations and time.monotonic() - started < duration_s:
            self.migrations.live()
            say(f"{self.name}: {done + 1} kills of a migration")

    def cells(self, kind: str) -> list[str]:
        """Of one kind of write, how many were answered, and of the others how many happened and how many did not."""
        if kind == "migrate":
            return ["", str(self.migrations.kept), str(self.migrations.absent)]
        parts = ("answered", "kept", "absent")
        return [str(sum(getattr(writer, part)[kind] for writer in self.trial.writers)) for part in parts]

    def told(self) -> str:
        """What was done, in a sentence or two."""
        moments: Counter[str] = self.trial.moments + self.migrations.moments
        each = ", ".join(f"{moments[kind]} {words}" for kind, words in MOMENTS.items())
        num_late = self.trial.num_late + self.migrations.num_late
        late = f" After {num_late} of them the database was still at work for the process that was gone." * bool(
            num_late
        )
        bits = f"Weights were compared {self.trial.bits.num_compared:,} times with what they had been"
        noted = f"{self.trial.bits.num_noted:,} of them first given over HTTP before the kill"
        return f"{self.name}, {moments.total()} kills: {each}.{late} {bits}, {noted}."


def report(campaigns: list[Campaign], command: str) -> str:
    """The block of the page."""
    head = ["under way"]
    for campaign in campaigns:
        head += [f"{campaign.name}: answered", "not answered, happened", "not answered, absent"]
    kinds = (*get_args(Kind), "migrate")
    rows = [[kind, *(cell for campaign in campaigns for cell in campaign.cells(kind))] for kind in kinds]
    told = "\n".join(campaign.told() for campaign in campaigns)
    return f"`{command}`, {NUM_WRITERS} clients at once.\n{told}\n\n{page.table(head, rows)}"


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Try it, and stop at the first fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="kills on each database")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=inf, help="stop after so long, with the kills until then")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Zygote(Path(folder) / "log") as zygote,
        every_place(Path(folder)) as places,
        ThreadPoolExecutor() as pool,
    ):
        made = list(
            pool.map(lambda place: Campaign(place, zygote, asked.rounds, asked.seed, 60 * asked.minutes), places)
        )
    text = report(made, page.command("kills", "tests.faults"))
    say(text)
    if asked.results is not None:
        page.put(asked.results, "kills", text)


if __name__ == "__main__":
    main()
