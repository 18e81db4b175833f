"""Episodic training: adapt to the support, be judged by the queries (Vinyals et al. 2016)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.data.episodes import Batch
from models.learner import Learner
from models.types import Classes, Gaussian, Logits, MultiHot, Rows, Scores, Target, Values

Metrics: TypeAlias = Mapping[str, float]
Objective: TypeAlias = Callable[[Learner, Any], Metrics]  # fills .grad; an nn.Module's own parameters are trained too


def episodic(learner: Learner, batch: Batch, dtype: torch.dtype = torch.float32) -> Metrics:
    """The loss of the queries, differentiated through the adaptation; the encoder in `dtype`, the head in float32."""
    loss, scores = query_loss(learner, batch, dtype)
    torch.autograd.backward(loss)
    figures = {"loss": loss.item()}
    if isinstance(scores, Logits) and isinstance(batch.target, Classes):
        known = batch.target.index >= 0
        figures["accuracy"] = (scores.values.argmax(-1) == batch.target.index)[known].float().mean().item()
    return figures


def query_loss(learner: Learner, batch: Batch, dtype: torch.dtype = torch.float32) -> tuple[Float[Tensor, ""], Scores]:
    """The loss of the queries once the learner has adapted, and what it answers."""
    support = replace(batch.support, rows=_encoded(learner, batch.support.rows, dtype))
    scores = learner.head.predict(learner.head.adapt(support), _encoded(learner, batch.query, dtype))
    return score_loss(scores, batch.target), scores


def _encoded(learner: Learner, rows: Rows, dtype: torch.dtype) -> Rows:
    if dtype == torch.float32:
        return learner.encode(rows)
    with torch.autocast(rows.values.device.type, dtype):
        encoded = learner.encode(rows)
    return replace(encoded, values=encoded.values.float())


def score_loss(scores: Scores, target: Target) -> Float[Tensor, ""]:
    """Mean negative log-likelihood over full batches; padded rows are not supported in training.

    Queries of the class -1 are of none of the task's labels: they teach what is unknown, and nothing else.
    """
    if isinstance(scores, Gaussian):
        assert isinstance(target, Values)
        return F.gaussian_nll_loss(scores.mean, target.values, scores.variance, full=True)
    assert isinstance(scores, Logits)
    if isinstance(target, MultiHot):
        return F.binary_cross_entropy_with_logits(scores.values, target.values.float())
    assert isinstance(target, Classes)
    loss = F.cross_entropy(scores.values.flatten(0, 1), target.index.flatten(), ignore_index=-1)
    if scores.unknown is None:
        return loss
    return loss + F.binary_cross_entropy_with_logits(scores.unknown, (target.index < 0).float())
