"""Tasks of all modalities for `universal`: of the alphabets, domains and tables that it was validated by."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.intents import trainable
from models.data.schema import Split
from models.data.streams import pool_of
from models.inputs.mixed import MixedInput
from models.training.appraisals.pools import SEED, Fitting, Pool, both, encoded
from models.training.appraisals.sentences import intents

CLASSES = ("image", "text", "vector")
MAX_SHOTS = 50
EVERY = 3  # of the services of SGD


def universal(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """What it was validated by, and some services of a set that is in no training of it."""
    told = {row.text for row in trainable(data, "sgd", held_out=True)}
    sgd = [row for row in trainable(data, "sgd") if row.text not in told]
    names = set(sorted({str(row.domain) for row in sgd})[::EVERY])
    texts = intents(checkpoint, [row for row in sgd if str(row.domain) in names], checkpoint)
    pool = both(streams(checkpoint, data, "val"), texts)
    return Fitting(pool, 1000, "alphabets, domains and tables that it was validated by, and services of SGD")


def streams(checkpoint: Checkpoint, data: Path, part: Split, noisy: float = 0.1) -> Pool:
    """The families of one part of the public sets, as the model sees them."""
    inputs = checkpoint.inputs
    assert isinstance(inputs, MixedInput)
    parts: list[Tensor] = []
    groups: dict[str, Sequence[Tensor]] = {}
    for stream in CLASSES:
        own, done = pool_of(data, stream, part, inputs), sum(map(len, parts))
        parts.append(encoded(checkpoint, own.rows))
        for family in own.families:
            classes = [places for (of, _), places in own.classes.items() if of == family]
            groups[f"{stream} {family}"] = [done + torch.tensor(places) for places in classes if len(places) > 3]
    kept = {name: classes for name, classes in groups.items() if len(classes) > 1}
    return Pool(torch.cat(parts), kept, max_shots=MAX_SHOTS, max_queries=15, seed=SEED, noisy=noisy)
