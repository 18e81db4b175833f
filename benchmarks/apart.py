"""Tasks by which forecasts are judged: of alphabets and sets that nothing was fitted to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import typer

from models.checkpoint import Checkpoint, load
from models.data.episodes import generator
from models.data.intents import load_intents
from models.data.omniglot import load_omniglot
from models.data.small_tables import names_of, read_table
from models.training.appraisals.cells import pooled
from models.training.appraisals.judging import Source
from models.training.appraisals.mixed import streams
from models.training.appraisals.numbers import Tables, targets
from models.training.appraisals.photographs import HALF, unseen
from models.training.appraisals.pools import Pool, both, encoded, positions_of
from models.training.appraisals.sentences import intents
from models.training.appraisals.sources import curves as synthetic_curves
from models.training.appraisals.sources import tables
from models.training.appraise import ZOO
from models.training.photos import described

MAX_SHOTS = 50  # where a set has as many rows of a class
MAX_TABLE_ROWS = 320  # that `tables` takes
SEED = 5  # of the tasks, apart from those that were fitted to
NUM_CHARACTERS = 12  # of an alphabet


@dataclass(frozen=True)
class Read:
    """The tasks of a model, how many, and what was read for them."""

    model: Checkpoint
    source: Source
    num_tasks: int
    told: str
    kind: str = "classification"


def glyphs(data: Path, twin: Path | None) -> Read:
    """Characters of one alphabet."""
    checkpoint, omniglot = load(ZOO / "glyphs"), load_omniglot(data, "evaluation")
    images: list[np.ndarray] = []
    groups = {}
    for name, members in omniglot.characters_by_alphabet().items():
        kept = members[torch.randperm(len(members), generator=generator(SEED, 0))[:NUM_CHARACTERS].numpy()]
        groups[name] = [len(images) + place for place in positions_of([20] * len(kept))]
        drawings = ((1 - omniglot.images[kept]) * 255).astype(np.uint8)
        images += [checkpoint.inputs(image) for image in drawings.reshape(-1, *drawings.shape[2:])]
    pool = Pool(encoded(checkpoint, torch.from_numpy(np.stack(images))), groups, 10, 15, SEED, 0.0)
    return Read(checkpoint, pool, 500, f"Omniglot evaluation, {NUM_CHARACTERS} characters an alphabet, 20 alphabets")


def texts(data: Path, twin: Path | None) -> Read:
    """Intents of one set or domain: SNIPS by the model that ships, HWU64 by a twin that was not trained on it."""
    checkpoint = load(ZOO / "text")
    snips = [replace(each, domain="SNIPS") for each in load_intents(data, "snips") if each.split == "test"]
    pool, told = intents(checkpoint, snips, checkpoint), "SNIPS test"
    if twin is not None:
        hwu64 = [each for each in load_intents(data, "hwu64") if each.split == "test"]
        hwu64 += [replace(each, domain="HWU64, all domains") for each in hwu64]
        other = intents(checkpoint, hwu64, load(twin / "without-hwu64/models/text"))
        pool, told = both(pool, other), f"{told}; HWU64 test by domain, by a twin"
    return Read(checkpoint, replace(pool, max_shots=MAX_SHOTS, max_queries=30, seed=SEED, noisy=0.0), 500, told)


def vectors(data: Path, twin: Path | None) -> Read:
    """Tables that the appraisal was not fitted to."""
    checkpoint = load(ZOO / "vectors")
    rows, groups = tables(data, checkpoint.inputs.shape[0], of_figures=True)
    return Read(checkpoint, Pool(rows, groups, MAX_SHOTS, 100, SEED, 0.0), 500, f"the tables {', '.join(groups)}")


def curves(data: Path, twin: Path | None) -> Read:
    """Synthetic curves that no other figure is of."""
    checkpoint = load(ZOO / "curves")
    made = synthetic_curves(checkpoint, data, None).source
    return Read(checkpoint, lambda number: made(100_000 + number), 400, "synthetic curves apart", "regression")


def photos(data: Path, twin: Path | None) -> Read:
    """The half of the classes that was not fitted to, by a twin that was trained on the other one."""
    if twin is None:
        raise typer.BadParameter("photos need --twin: the runs of `benchmarks.accuracy photos`")
    pool = unseen(described(data), 1 - HALF, twin, noisy=0.0)
    told = "the other half of the classes of Caltech-101 and Grocery Store, by the other twin"
    return Read(load(ZOO / "photos"), replace(pool, seed=SEED), 500, told)


def rows(data: Path, twin: Path | None) -> Read:
    """The tables of tabular_cls."""
    found = {name: read_table(data, "tabular_cls", name) for name in names_of("tabular_cls")}
    pool = Pool(*pooled({name: (each, each.targets.astype(np.int64)) for name, each in found.items()}))
    told = f"tabular_cls, at most 60 rows of a class: {', '.join(pool.groups)}"
    pool = replace(pool, max_shots=MAX_SHOTS, max_queries=25, seed=SEED, noisy=0.0, max_rows=MAX_TABLE_ROWS)
    return Read(load(ZOO / "tables"), pool, 500, told)


def mixed(data: Path, twin: Path | None) -> Read:
    """What `universal` is tested by."""
    checkpoint = load(ZOO / "universal")
    pool = streams(checkpoint, data, "test", noisy=0.0)
    told = "the test alphabets, domains and tables of classes of models.data.streams"
    return Read(checkpoint, replace(pool, seed=SEED), 500, told)


def numbers(data: Path, twin: Path | None) -> Read:
    """The regressions that `universal` is tested by."""
    checkpoint = load(ZOO / "universal")
    told = targets(checkpoint, data, "test")
    source = Tables(told, max_shots=MAX_SHOTS, seed=SEED)
    return Read(checkpoint, source, 500, f"the test tables {', '.join(each.table for each in told)}", "regression")


READS: dict[str, Callable[[Path, Path | None], Read]] = {
    "glyphs": glyphs,
    "text": texts,
    "vectors": vectors,
    "curves": curves,
    "photos": photos,
    "tables": rows,
    "universal": mixed,
    "universal-numbers": numbers,
}
