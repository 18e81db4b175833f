"""The queries judge every inner step, not the last alone: the multi-step loss of MAML++ (Antoniou et al. 2019)."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.data.episodes import Batch
from models.learner import Learner
from models.training.objectives.episodic import Metrics, score_loss


class MultiStep(nn.Module):
    """All steps weigh alike at first; over `num_anneal` steps of training the weight goes to the last of them."""

    seen: Float[Tensor, ""]  # steps of training, kept with the weights: a run that is resumed goes on annealing

    def __init__(self, num_anneal: int) -> None:
        super().__init__()
        self.num_anneal = num_anneal
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, learner: Learner, batch: Batch) -> Metrics:
        """Fills .grad; the loss shown is that after the last step."""
        support = replace(batch.support, rows=learner.encode(batch.support.rows))
        query = learner.encode(batch.query)
        steps = list(learner.head.steps(support, learner.head.start(support)))
        weights = step_weights(len(steps), max(0.0, 1 - self.seen.item() / self.num_anneal))
        judged = [(weight, params) for weight, params in zip(weights, steps, strict=True) if weight]
        losses = [score_loss(learner.head.predict(params, query), batch.target) for _, params in judged]
        torch.autograd.backward(sum(weight * loss for (weight, _), loss in zip(judged, losses, strict=True)))  # type: ignore[arg-type]
        self.seen += 1
        return {"loss": losses[-1].item()}


def step_weights(num_steps: int, share: float) -> list[float]:
    """The weight of each step, summing to one: `share` of it spread evenly, the rest on the last."""
    even = share / num_steps
    return [even] * (num_steps - 1) + [1 - even * (num_steps - 1)]
