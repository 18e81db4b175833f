"""Rows of tables: made-up ones, and apart real ones whose numbers to be told were cut into classes."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.data.small_tables import SmallTable, as_sent, names_of, read_table
from models.data.table_prior import TableTasks
from models.inputs.table import TableInput
from models.training.appraisals.fitting import APART
from models.training.appraisals.judging import Asked, Source
from models.training.appraisals.pools import SEED, Fitting, Pool, mistaken
from models.types import Classes, Support

MAX_ROWS = 60  # of a class
MIN_ROWS = 8
MAX_CUTS = 5  # classes that a number is cut into
MAX_SHOTS = 12
NUM_GROUPS = 8  # of made-up tables, which are alike


def tables(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Made-up tables of a seed of their own, and regressions as classes."""
    pool = Pool(*regressions(data), max_shots=MAX_SHOTS, max_queries=25, seed=SEED)
    in_turns: Source = lambda number: pool(number // 2) if number % 2 else made_up(number // 2)  # noqa: E731
    return Fitting(in_turns, 1100, "made-up tables of a seed of their own, and tabular_reg, cut into classes")


def made_up(number: int) -> Asked:
    """A table of the prior that the model was trained on."""
    batch = TableTasks(num_tasks=1, max_shots=MAX_SHOTS, queries=100, seed=SEED)(number)
    target, truth, draw = batch.support.target, batch.target, generator(SEED, number, 1)
    assert isinstance(target, Classes) and isinstance(truth, Classes)
    told = mistaken(target.index[0], target.ways.shape[1], draw)
    support = Support(batch.support.rows, Classes(told.unsqueeze(0), target.ways))
    wrong = (told != target.index[0]).nonzero().flatten().tolist()
    return Asked(f"made up {number % NUM_GROUPS}", support, batch.query, truth.index[0], wrong)


def regressions(data: Path) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Each table of numbers to be told, as cells, apart from what is made up."""
    return pooled({f"{APART}{name}": each for name, each in cut(data).items()})


def cut(data: Path) -> dict[str, tuple[SmallTable, npt.NDArray[np.int64]]]:
    """Tables of numbers to be told, these cut at as many quantiles as the table's place in the list says."""
    found = {}
    for place, name in enumerate(names_of("tabular_reg")):
        table = read_table(data, "tabular_reg", name)
        ends = np.quantile(table.targets, np.linspace(0, 1, 2 + place % (MAX_CUTS - 1) + 1)[1:-1])
        found[name] = (table, np.searchsorted(ends, table.targets, side="right"))
    return found


def pooled(found: dict[str, tuple[SmallTable, npt.NDArray[np.int64]]]) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Of tables and the class of each row: cells, at most so many rows of a class, and which rows are of which."""
    rows: list[npt.NDArray[np.float32]] = []
    groups: dict[str, list[Tensor]] = {}
    for name, (table, classes) in found.items():
        sent, take = as_sent(table), TableInput()
        for number in np.unique(classes):
            members = np.flatnonzero(classes == number)
            if len(members) >= MIN_ROWS:
                kept = members[np.linspace(0, len(members) - 1, min(MAX_ROWS, len(members))).astype(int)]
                groups.setdefault(name, []).append(torch.arange(len(rows), len(rows) + len(kept)))
                rows += [take(sent[place]) for place in kept]
    cells = torch.from_numpy(np.stack(rows))
    return cells[:, : int((cells[..., 0] > 0).any(0).sum())], {name: each for name, each in groups.items() if each[1:]}
