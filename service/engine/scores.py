"""Scores of a padded batch on the device -> each task's own, as numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.types import Logits, Scores
from service.engine.arrays import Array, ClassScores, ScoreArrays, TagScores, ValueScores


@dataclass(frozen=True)
class HostScores:
    """Scores [T Q ...] of a batch, on the host: of labels and of none of them, or mean and standard deviation."""

    probabilities: Array | None = None
    independent: Array | None = None
    unknown: Array | None = None
    mean: Array | None = None
    std: Array | None = None


def host_scores(scores: Scores) -> HostScores:
    """The whole batch, in one wait for the device."""
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
    if scores.probabilities is None:
        assert scores.mean is not None and scores.std is not None
        own = np.s_[row, :num_queries, : sizes.get("O")]
        return ValueScores(scores.mean[own], scores.std[own])
    probabilities = scores.probabilities[row, :num_queries, : sizes["N"]]
    if scores.independent is not None and scores.independent[row]:
        return TagScores(probabilities)
    return ClassScores(probabilities, None if scores.unknown is None else scores.unknown[row, :num_queries])


def joined(parts: Sequence[ScoreArrays]) -> ScoreArrays:
    """The pieces of one task's scores, one after another."""
    if len(parts) == 1:
        return parts[0]
    make: Callable[..., ScoreArrays] = type(parts[0])
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return make(*(None if column[0] is None else np.concatenate(column) for column in columns))
