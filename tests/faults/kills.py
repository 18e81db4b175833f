"""Processes killed as they write, on both databases: `python -m tests.faults.kills --results docs/reliability.md`."""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from threading import Event
from typing import get_args

from benchmarks import page
from service.storage.migrate import upgrade
from tests.faults.asking import Kind
from tests.faults.migrations import Migrations
from tests.faults.places import ALEMBIC, Place, every_place
from tests.faults.telling import conclude, say
from tests.faults.trial import NUM_WRITERS, Trial
from tests.faults.zygote import Zygote

MIGRATED_EVERY = 8  # kills, one is of a migration
MOMENTS = {
    "clock": "at a random moment",
    "statement": "between two statements of a transaction",
    "commit": "before a commit",
    "committed": "after a commit and before its answer",
}


@dataclass
class Tally:
    """What was counted of kills on one kind of database; migrations count as writes that nobody answers."""

    name: str
    moments: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)  # not answered, and there
    absent: Counter[str] = field(default_factory=Counter)
    bits: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count what another counted."""
        for part in ("moments", "answered", "kept", "absent", "bits"):
            getattr(self, part).update(getattr(other, part))

    def told(self) -> str:
        """What was done, in a sentence or two."""
        each = ", ".join(f"{self.moments[kind]} {words}" for kind, words in MOMENTS.items())
        return (
            f"{self.name}, {self.moments.total()} kills: {each}. "
            f"Weights were compared {self.bits['compared']:,} times with what they had been, {self.bits['noted']:,} of "
            f"them as given over HTTP before a kill. After {self.bits['late']} kills the database still had "
            "connections of the process that was gone; they were waited for."
        )


class Clock:
    """How long it may take; until then, unless somebody found a fault."""

    def __init__(self, duration_s: float = inf) -> None:
        self._started, self._duration_s, self.is_stopped = time.monotonic(), duration_s, Event()

    def is_up(self, share: float = 1) -> bool:
        """Whether this share of the time is over."""
        return self.is_stopped.is_set() or time.monotonic() - self._started > share * self._duration_s


def campaign(place: Place, number: int, zygote: Zygote, rounds: int, clock: Clock) -> Tally:
    """So many kills on a database of its own, or fewer where the time is up before."""
    name, tally = f"kills{number}", Tally(place.name)
    url, num_migrations = place.create(name), max(1, rounds // MIGRATED_EVERY)
    with ALEMBIC:
        upgrade(url)
    trial = Trial(url, zygote, number)
    while (done := trial.moments.total()) < rounds - num_migrations and not clock.is_up(1 - 1 / MIGRATED_EVERY):
        trial.live()
        say(f"{place.name} {number}: {done + 1} kills")
    trial.close()
    migrated = Migrations(place, name, zygote, number)
    while (done := migrated.moments.total()) < num_migrations and not clock.is_up():
        migrated.live()
        say(f"{place.name} {number}: {done + 1} kills of a migration")
    for writer in trial.writers:
        tally.add(Tally("", answered=writer.answered, kept=writer.kept, absent=writer.absent))
    tally.kept["migrate"], tally.absent["migrate"] = migrated.kept, migrated.absent
    tally.moments = trial.moments + migrated.moments
    late = trial.num_late + migrated.num_late
    tally.bits = Counter({"compared": trial.bits.num_compared, "noted": trial.bits.num_noted, "late": late})
    return tally


def report(tallies: Sequence[Tally], command: str) -> str:
    """The block of the page."""
    head, kinds = ["under way"], (*get_args(Kind), "migrate")
    for tally in tallies:
        head += [f"{tally.name}: answered", "not answered, happened", "not answered, absent"]
    rows = [
        [kind, *(str(part[kind]) for each in tallies for part in (each.answered, each.kept, each.absent))]
        for kind in kinds
    ]
    told = "\n".join(tally.told() for tally in tallies)
    return f"`{command}`, {NUM_WRITERS} clients at once.\n{told}\n\n{page.table(head, rows)}"


def every(zygote: Zygote, places: Sequence[Place], asked: argparse.Namespace) -> list[Tally]:
    """All kills, on several databases at a time; a fault ends it soon."""
    tallies = {place.name: Tally(place.name) for place in places}
    rounds, clock = asked.rounds // asked.databases, Clock(60 * asked.minutes)
    with ThreadPoolExecutor(len(places) * asked.databases) as pool:
        made = [
            pool.submit(campaign, place, number, zygote, rounds, clock)
            for number in range(asked.databases)
            for place in places
        ]
        for each in as_completed(made):
            if each.exception() is not None:
                clock.is_stopped.set()
            tallies[each.result().name].add(each.result())
    return list(tallies.values())


def main() -> None:
    """Try it, and stop at the first fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="kills on each database")
    parser.add_argument("--databases", type=int, default=4, help="of each kind, at the same time")
    parser.add_argument("--minutes", type=float, default=inf, help="stop after so long, with the kills until then")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Zygote(Path(folder) / "log") as zygote,
        every_place(Path(folder)) as places,
    ):
        made = every(zygote, places, asked)
    text = report(made, page.command("kills", "tests.faults"))
    conclude(text, "kills", asked.results)


if __name__ == "__main__":
    main()
