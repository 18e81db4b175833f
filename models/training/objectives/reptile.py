"""Reptile: the start moves towards where tasks end up, with no derivative of the adaptation (Nichol et al. 2018)."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.data.episodes import Batch
from models.learner import Learner
from models.training.objectives.episodic import Metrics, score_loss
from models.types import TaskParams


class Reptile(nn.Module):
    """Fills .grad of what the head starts from with start - mean of adapted; an encoder before it is not trained.

    Stop rule: at an end of training, tasks draw the start in every direction and their gaps cancel. `is_settled`
    once the moving average of the gaps over `window` steps is no longer than twice what gaps without any common
    direction would leave. The averages are kept with the weights: a run that is resumed stops where it would have.
    """

    drift: Float[Tensor, "P"]  # moving average of the gap
    power: Float[Tensor, ""]  # and of its squared length
    seen: Float[Tensor, ""]  # steps of training

    def __init__(self, num_params: int, window: int = 200) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("drift", torch.zeros(num_params))
        self.register_buffer("power", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, learner: Learner, batch: Batch) -> Metrics:
        """One step; the loss of the queries is only shown. `change` is the length of start - mean of adapted."""
        with torch.no_grad():
            support = replace(batch.support, rows=learner.encode(batch.support.rows))
        start = learner.head.start(support)
        with torch.no_grad():
            adapted = learner.head.adapt(support, start)
            loss = score_loss(learner.predict(adapted, batch.query), batch.target)
        moving = {name: leaf for name, leaf in start.items() if leaf.requires_grad}
        pulls = torch.stack([(leaf - adapted[name]).square().sum() for name, leaf in moving.items()])
        torch.autograd.backward(pulls.sum() / 2 / len(batch.support.rows.mask))
        change = self._note(moving, adapted)
        return {"loss": loss.item(), "change": change.item()}

    def is_settled(self) -> bool:
        """Whether the stop rule says that training is at its end; never before three windows have passed."""
        by_chance = (self.power / (2 * self.window)).sqrt()
        return bool(self.seen >= 3 * self.window) and bool(self.drift.norm() <= 2 * by_chance)

    @torch.no_grad()
    def _note(self, start: TaskParams, adapted: TaskParams) -> Float[Tensor, ""]:
        """Move the averages on; returns the length of this step's gap."""
        gap = torch.cat([(leaf - adapted[name]).mean(0).flatten() for name, leaf in sorted(start.items())])
        self.drift.lerp_(gap, 1 / self.window)
        self.power.lerp_(gap.square().sum(), 1 / self.window)
        self.seen += 1
        length: Tensor = gap.norm()
        return length
