"""Intents of sets that a model, or a twin of it, has never seen."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint, load
from models.data.intents import Utterance, by_label, trainable
from models.inputs.mixed import MixedInput
from models.inputs.text import TextInput
from models.training.appraisals.fitting import APART
from models.training.appraisals.pools import SEED, Fitting, Pool, both, encoded, positions_of

MAX_TEXTS = 30  # of an intent
MIN_TEXTS = 6


def text(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Intents by domain, of sets as twins see them that have never seen them; those of SGD are kept apart."""
    if twin is None:
        raise ValueError("text needs --twin: the folder of `benchmarks.accuracy text`, which trains the twins")
    clinc150, told = trainable(data, "clinc150"), {row.text for row in trainable(data, "sgd", held_out=True)}
    sgd = [row for row in trainable(data, "sgd") if row.text not in told]
    sgd = [replace(row, domain=f"{APART}SGD {row.domain}") for row in sgd]
    mixed = [replace(row, domain="all domains") for row in clinc150 if int(_drawn(row.intent)) % 2]
    pools = []
    for name, rows in (("clinc150", [*clinc150, *mixed]), ("sgd", sgd)):
        pools.append(intents(checkpoint, rows, load(twin / f"without-{name}/models/text")))
    about = "CLINC150 train and services of SGD by domain, by twins that were not trained on them"
    return Fitting(replace(both(*pools), max_shots=15, seed=SEED), 1300, about)


def _drawn(name: str) -> str:
    return str(hashlib.sha256(name.encode()).digest()[0])


def intents(checkpoint: Checkpoint, utterances: Sequence[Utterance], twin: Checkpoint) -> Pool:
    """Texts of each domain's intents, at most so many, as the twin sees them."""
    groups: dict[str, list[Tensor]] = {}
    texts: list[str] = []
    for domain in sorted({str(each.domain) for each in utterances}):
        own = by_label([each for each in utterances if str(each.domain) == domain], MAX_TEXTS)
        kept = [rows for rows in own.values() if len(rows) >= MIN_TEXTS]
        if len(kept) >= 2:
            groups[domain] = [len(texts) + place for place in positions_of([len(rows) for rows in kept])]
            texts += [each for rows in kept for each in rows]
    read = checkpoint.inputs.text if isinstance(checkpoint.inputs, MixedInput) else checkpoint.inputs
    assert isinstance(read, TextInput)
    rows = np.stack([read(each) for each in dict.fromkeys(texts)])
    place = {each: row for row, each in enumerate(dict.fromkeys(texts))}
    features = encoded(twin, torch.from_numpy(rows))
    return Pool(features[torch.tensor([place[each] for each in texts])], groups)
