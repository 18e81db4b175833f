"""Migrations killed on their way: the database is at the schema of a transaction's end, and the next one gets it there.

On PostgreSQL that is the one before an index was built beside writers too.
"""

import asyncio
import signal
import time
from collections import Counter
from random import Random
from typing import Any, TypeAlias

from alembic import command
from sqlalchemy import MetaData, select

from service.storage import migrate
from tests.faults.moments import Moment
from tests.faults.oracle import engine_for
from tests.faults.places import ALEMBIC, Place
from tests.faults.trial import WAIT_S, examined, until_unused
from tests.faults.zygote import Zygote

OLDEST = "2026_11_22_tasks"
INDEXED_AFTER = "2026_11_22_measured"

Content: TypeAlias = dict[str, list[tuple[Any, ...]]]


class Migrations:
    """A filled database at the oldest schema, copies of which are migrated and killed; what was counted."""

    def __init__(self, place: Place, filled: str, zygote: Zygote, seed: int) -> None:
        self.kept = self.absent = self.num_late = 0
        self.moments: Counter[str] = Counter()
        self._place, self._zygote, self._rng, self._old = place, zygote, Random(seed), f"{filled}_old"
        url = place.copy(filled, self._old)
        with ALEMBIC:
            command.downgrade(migrate._config(url), OLDEST)
        done = place.copy(self._old, f"{filled}_new")
        started = time.monotonic()
        with zygote.migrating(done) as life:
            life.wait(WAIT_S)
        self._usual_s = time.monotonic() - started
        self._before, self._after = content(place.url(self._old)), content(done)
        between = place.copy(self._old, f"{filled}_between")
        with ALEMBIC:
            migrate.upgrade(between, INDEXED_AFTER)
        self._ends = [self._before, content(between), self._after]
        assert self._before != self._after
        num_columns = len(self._before["params"][0])
        stayed = [row[:num_columns] for row in self._after["params"]]
        assert self._before["params"] == stayed, "migrations leave weights alone"

    def live(self) -> None:
        """One migration that is killed, and one that is not."""
        url, moment = self._place.copy(self._old, f"{self._old}_killed"), self._moment()
        with self._zygote.migrating(url, moment) as life:
            if moment is None:
                time.sleep(self._rng.uniform(0, 1) * self._usual_s)
                life.stop(signal.SIGKILL)
            else:
                life.wait(WAIT_S)
        self.moments["clock" if moment is None else moment[0]] += 1
        self.num_late += until_unused(engine_for(url))
        found = content(url)
        assert found in self._ends, "half of a migration"
        self.kept, self.absent = self.kept + (found == self._after), self.absent + (found != self._after)
        with self._zygote.migrating(url) as life:
            life.wait(WAIT_S)
        assert content(url) == self._after
        assert asyncio.run(examined(url)) == []

    def _moment(self) -> Moment | None:
        draw = self._rng.random()
        if draw < 0.4:
            return None
        if draw < 0.8:
            return ("statement", self._rng.randint(1, 40))
        return ("commit" if draw < 0.9 else "committed", 1)


def content(url: str) -> Content:
    """Every row of every table that there is, and of which columns; the revision is in one of them."""
    engine, tables = engine_for(url), MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        return {
            table.name: [
                tuple(column.name for column in table.columns),
                *_rows(connection.execute(select(table)).all()),
            ]
            for table in tables.sorted_tables
        }


def _rows(found: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in found), key=repr)
