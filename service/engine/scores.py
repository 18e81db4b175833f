"""Scores of a padded batch on the device -> each task's own, as numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.chain import best, calibrated, certainty
from models.types import Either, Logits, Scores, Tagged
from service.engine.arrays import Array, ClassScores, FrameScores, ScoreArrays, TagScores, ValueScores


@dataclass(frozen=True)
class HostScores:
    """Scores [T Q ...] of a batch, on the host: of labels and of none of them, or mean and standard deviation.

    Of frames also those of words' tags, how many words there are, the scores of moves [T 10] and the trust [T M 3].
    """

    probabilities: Array | None = None
    independent: Array | None = None
    unknown: Array | None = None
    mean: Array | None = None
    std: Array | None = None
    words: Array | None = None
    lengths: Array | None = None
    moves: Array | None = None
    trust: Array | None = None


def host_scores(scores: Scores) -> HostScores:
    """The whole batch, in one wait for the device."""
    if isinstance(scores, Tagged):
        own = ("words", "lengths", "moves", "trust")
        parts = {name: getattr(scores, name).to("cpu", non_blocking=True) for name in own}
        intents = host_scores(scores.intents)
        return replace(intents, unknown=None, independent=None, **{name: part.numpy() for name, part in parts.items()})
    if isinstance(scores, Either):
        values = host_scores(scores.values)
        return replace(host_scores(scores.logits), mean=values.mean, std=values.std)
    if not isinstance(scores, Logits):
        mean, std = torch.stack([scores.mean, scores.variance.sqrt()]).float().to("cpu").numpy()
        return HostScores(mean=mean, std=std)
    logits = scores.values.float()
    shared, alone, parts = logits.softmax(-1), scores.independent, {}
    if scores.unknown is not None:
        parts["unknown"] = scores.unknown.float().sigmoid().to("cpu", non_blocking=True)
    if alone is not None:
        parts["independent"] = alone.to("cpu", non_blocking=True)
        shared = torch.where(alone[:, None, None], logits.sigmoid(), shared)
    parts["probabilities"] = shared.to("cpu")  # which also waits for the others
    return HostScores(**{name: part.numpy() for name, part in parts.items()})


def own_scores(scores: HostScores, row: int, num_queries: int, sizes: Mapping[str, int]) -> ScoreArrays:
    """One task's scores out of the batch, without padding."""
    if scores.mean is not None and scores.std is not None and (scores.probabilities is None or sizes["O"]):
        own = np.s_[row, :num_queries, : sizes.get("O")]
        return ValueScores(scores.mean[own], scores.std[own])
    assert scores.probabilities is not None
    probabilities = scores.probabilities[row, :num_queries, : sizes["N"]]
    if scores.words is not None and scores.lengths is not None and scores.moves is not None:
        assert scores.trust is not None
        words, lengths = scores.words[row, :num_queries, :, : 2 * sizes["K"] - 1], scores.lengths[row, :num_queries]
        return FrameScores(probabilities, *_decoded(words, scores.moves[row], lengths, scores.trust[row]))
    if scores.independent is not None and scores.independent[row]:
        return TagScores(probabilities)
    return ClassScores(probabilities, None if scores.unknown is None else scores.unknown[row, :num_queries])


def _decoded(words: Array, moves: Array, lengths: Array, trust: Array) -> tuple[Array, Array]:
    """The best tags [Q L] of words and how sure their slots are; what is behind the longest text costs nothing."""
    longest, behind = int(lengths.max()), ((0, 0), (0, words.shape[1] - int(lengths.max())))
    read = words[:, :longest].astype(np.float64)
    tags = best(read, moves, lengths)
    sure = calibrated(certainty(read, moves, lengths, tags), tags, trust)
    return np.pad(tags, behind), np.pad(sure, behind)


def joined(parts: Sequence[ScoreArrays]) -> ScoreArrays:
    """The pieces of one task's scores, one after another."""
    if len(parts) == 1:
        return parts[0]
    make: Callable[..., ScoreArrays] = type(parts[0])
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return make(*(None if column[0] is None else np.concatenate(column) for column in columns))
