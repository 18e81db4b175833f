"""Numbers to be told by `universal`: each column of a table by its others, of tables that are in no test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.data.schema import Split
from models.data.streams import pool_of
from models.inputs.mixed import MixedInput
from models.training.appraisals.judging import Asked
from models.training.appraisals.pools import SEED, Fitting
from models.types import Support, Values, full_rows

NUM_TASKS = 1600
MIN_SHOTS, MAX_SHOTS = 3, 60
MAX_QUERIES = 100
MIN_VALUES = 12  # different ones, of a column that is a number and no class


@dataclass(frozen=True)
class Told:
    """A column to be told by the others: the name of its table, rows as the encoder sees them, and what is told."""

    table: str
    rows: Float[Tensor, "B F"]
    values: Float[Tensor, "B 1"]


@dataclass(frozen=True)
class Tables:
    """Regressions drawn from tables, which are alike likely; so are the columns of one."""

    told: Sequence[Told]
    max_shots: int = MAX_SHOTS
    max_queries: int = MAX_QUERIES
    seed: int = SEED

    def __call__(self, number: int) -> Asked:
        """The task of this number."""
        draw, names = generator(self.seed, number), sorted({each.table for each in self.told})
        own = [each for each in self.told if each.table == names[number % len(names)]]
        chosen = own[int(torch.randint(len(own), (), generator=draw))]
        most = min(self.max_shots, len(chosen.rows) // 2)
        shots = round(MIN_SHOTS * (most / MIN_SHOTS) ** float(torch.rand((), generator=draw)))
        order = torch.randperm(len(chosen.rows), generator=draw)[: shots + self.max_queries]
        support, query = order[:shots], order[shots:]
        target = Values(chosen.values[support].unsqueeze(0))
        rows, asked = (full_rows(chosen.rows[places].unsqueeze(0)) for places in (support, query))
        return Asked(chosen.table, Support(rows, target), asked, chosen.values[query])


def universal(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """What it was trained on and validated by, and every other column of these tables."""
    parts: Sequence[Split] = ("train", "val")
    told = [each for part in parts for each in [*targets(checkpoint, data, part), *columns(checkpoint, data, part)]]
    what = "numbers that it was trained on and validated by, and columns of its tables told by the others"
    return Fitting(Tables(told), NUM_TASKS, what)


def targets(checkpoint: Checkpoint, data: Path, part: Split) -> list[Told]:
    """The numbers of the tables of one part."""
    assert isinstance(checkpoint.inputs, MixedInput)
    pool = pool_of(data, "regression", part, checkpoint.inputs)
    return [
        Told(table, _seen(checkpoint, pool.rows[places]), pool.targets[places])
        for (table, _), places in pool.classes.items()
    ]


def columns(checkpoint: Checkpoint, data: Path, part: Split) -> list[Told]:
    """Of every table of one part each column that is a number, told by the others."""
    assert isinstance(checkpoint.inputs, MixedInput)
    streams: Sequence[Literal["vector", "regression"]] = ("vector", "regression")
    found = []
    for stream in streams:
        pool = pool_of(data, stream, part, checkpoint.inputs)
        for table in pool.families:
            rows = pool.rows[[place for (name, _), places in pool.classes.items() if name == table for place in places]]
            found += [_column(checkpoint, table, rows, place) for place in _numbers(rows)]
    return found


def _numbers(rows: Float[Tensor, "B X"]) -> list[int]:
    return [place for place, values in enumerate(rows.T.tolist()) if len(set(values)) >= MIN_VALUES]


def _column(checkpoint: Checkpoint, table: str, rows: Float[Tensor, "B X"], place: int) -> Told:
    values = rows[:, place : place + 1]
    others = torch.cat([rows[:, :place], rows[:, place + 1 :], torch.zeros_like(values)], 1)
    return Told(table, _seen(checkpoint, others), (values - values.mean()) / values.std())


def _seen(checkpoint: Checkpoint, rows: Float[Tensor, "B X"]) -> Float[Tensor, "B F"]:
    with torch.inference_mode():
        seen: Tensor = checkpoint.learner.encoder(rows).float()
    return seen
