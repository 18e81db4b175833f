"""Reptile: the start moves towards where tasks end up, with no derivative of the adaptation (Nichol et al. 2018)."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.data.episodes import Batch
from models.learner import Learner
from models.training.objectives.episodic import Metrics, score_loss
from models.types import Support


class Reptile(nn.Module):
    """Fills .grad of what the head starts from with start - mean of adapted; an encoder before it is not trained.

    Stop rule: `is_settled` once the mean change of the parameters over the last `window` steps is less than `gain`
    (a share) below that over the `window` steps before. The changes, oldest first, are kept with the weights, so that
    a run that is resumed stops where it would have.
    """

    changes: Float[Tensor, "W"]

    def __init__(self, window: int = 200, gain: float = 0.01) -> None:
        super().__init__()
        self.gain = gain
        self.register_buffer("changes", torch.full((2 * window,), torch.inf))

    def forward(self, learner: Learner, batch: Batch) -> Metrics:
        """One step; the loss of the queries is only shown. `change` is the length of start - mean of adapted."""
        start, support = self._begin(learner, batch)
        with torch.no_grad():
            adapted = learner.head.adapt(support, start)
            loss = score_loss(learner.predict(adapted, batch.query), batch.target)
        moving = [name for name, leaf in start.items() if leaf.requires_grad]
        gaps = {name: (start[name] - adapted[name]).square().sum() for name in moving}
        torch.autograd.backward(torch.stack(list(gaps.values())).sum() / 2 / len(batch.support.rows.mask))
        change = torch.stack([(start[name] - adapted[name]).mean(0).norm() for name in moving]).norm().detach()
        self.changes.copy_(torch.cat([self.changes[1:], change.unsqueeze(0)]))
        return {"loss": loss.item(), "change": change.item()}

    def is_settled(self) -> bool:
        """Whether the stop rule says that training is at its end."""
        before, now = self.changes.chunk(2)
        return bool(before.isfinite().all()) and bool(now.mean() > (1 - self.gain) * before.mean())

    @staticmethod
    def _begin(learner: Learner, batch: Batch) -> tuple[dict[str, Tensor], Support]:
        """Where the tasks start, differentiable in the head's parameters, and their encoded support."""
        with torch.no_grad():
            support = replace(batch.support, rows=learner.encode(batch.support.rows))
        return learner.head.start(support), support
