"""Episodes of several streams in one step: L = sum of lambda_T * L_T, each loss through the adaptation of its tasks."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from models.data.episodes import Batch
from models.heads.in_own_units import InOwnUnits
from models.learner import Learner
from models.training.objectives.episodic import Metrics, query_loss
from models.training.weighting import Weighting


class Blended(nn.Module):
    """Fills .grad with the weighted sum of the streams' losses; the weights are shown with the losses."""

    def __init__(self, names: Sequence[str], kind: str = "fixed", given: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.weighting = Weighting(names, kind, given)

    def forward(self, learner: Learner, batch: Mapping[str, Batch]) -> Metrics:
        """One step over a batch of each stream."""
        losses = {name: query_loss(learner, each)[0] for name, each in batch.items()}
        shared = [*learner.head.body.parameters()] if isinstance(learner.head, InOwnUnits) else []
        torch.autograd.backward(self.weighting(losses, shared))
        lambdas = {f"lambda, {name}": weight for name, weight in self.weighting.shown().items()}
        return {**{f"loss, {name}": loss.item() for name, loss in losses.items()}, **lambdas}
