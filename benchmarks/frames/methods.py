"""Ways to answer a task of frames: the model as it ships, a nearest-neighbour tagger and logistic ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression

from models.chain import best, calibrated, certainty
from models.checkpoint import Checkpoint
from models.data.episodes import Batch
from models.encoders.words import NUM_LOOKS
from models.training.frames import adapted
from models.types import Tagged, Tags

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Answers:
    """Intents [Q] and words' tags [Q L]; how sure of either, where that is told: slots where they begin."""

    intents: Ints
    tags: Ints
    sure: Floats | None = None
    sure_slots: Floats | None = None


Methods: TypeAlias = Mapping[str, Callable[[Batch, Batch], Answers]]  # of a task for the model, and for the others


def methods(checkpoint: Checkpoint) -> Methods:
    """All of them by name."""
    return {
        "kshot": lambda own, _: ours(checkpoint, own),
        "nearest neighbour": lambda _, plain: nearest(plain),
        "logistic regression": lambda _, plain: logistic(plain),
    }


def ours(checkpoint: Checkpoint, batch: Batch) -> Answers:
    """The model as it ships."""
    with torch.inference_mode():
        params, query = adapted(checkpoint.learner, batch)
        scores = checkpoint.learner.head.predict(params, query)
    assert isinstance(scores, Tagged)
    chain = scores.words[0].double().numpy(), scores.moves[0].double().numpy(), scores.lengths[0].numpy()
    tags, intents = best(*chain), scores.intents.values[0].softmax(-1)
    sure = calibrated(certainty(*chain, tags), tags, scores.trust[0].double().numpy())
    return Answers(intents.argmax(-1).numpy(), tags, intents.amax(-1).numpy(), sure)


def nearest(batch: Batch) -> Answers:
    """The intent of the nearest sentence, each word's tag that of the nearest word."""
    (sentences, words), (asked, theirs), target = _parts(batch)
    intents = target.intents.index[0].numpy()[(asked @ sentences.T).argmax(1)]
    real = np.abs(words).sum(-1) > 0
    found = target.words[0].numpy()[real][(theirs @ words[real].T).argmax(-1)]
    return Answers(intents, _repaired(found))


def logistic(batch: Batch) -> Answers:
    """Logistic regression on sentences, and another on words, whose classes are tags."""
    (sentences, words), (asked, theirs), target = _parts(batch)
    real, tags = np.abs(words).sum(-1) > 0, target.words[0].numpy()
    fit, known = partial(LogisticRegression, C=10.0, max_iter=300), target.intents.index[0].numpy()
    is_one = len(np.unique(known)) == 1
    intents = np.full(len(asked), known[0]) if is_one else fit().fit(sentences, known).predict(asked)
    of_words = fit().fit(words[real], tags[real])
    return Answers(intents, _repaired(of_words.predict(theirs.reshape(-1, words.shape[-1])).reshape(theirs.shape[:2])))


def _parts(batch: Batch) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats], Tags]:
    """Unit features of sentences and words, of the support and of the queries."""
    assert isinstance(batch.support.target, Tags)
    support, query = (_unit(rows.values[0]) for rows in (batch.support.rows, batch.query))
    tags = batch.support.target
    return support, query, replace(tags, words=tags.words[:, :, : support[1].shape[1]])


def _unit(rows: torch.Tensor) -> tuple[Floats, Floats]:
    width = (rows.shape[-1] - NUM_LOOKS) // 2
    halves = [torch.nn.functional.normalize(half, dim=-1) for half in rows[:, 1:, : 2 * width].chunk(2, -1)]
    return rows[:, 0, :width].numpy(), torch.cat(halves, -1).numpy()


def _repaired(tags: Ints) -> Ints:
    """A later word of a slot that does not follow one of it begins the slot."""
    before = np.pad(tags, ((0, 0), (1, 0)))[:, :-1]
    is_lost = (tags > 0) & (tags % 2 == 0) & (before != tags) & (before != tags - 1)
    return np.where(is_lost, tags - 1, tags)
