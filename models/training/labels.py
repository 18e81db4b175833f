"""The last phase of a recipe: the head learns its constants on finished features, on tasks of all sizes."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.data.labels import LabelEpisodes, LabelSet
from models.heads.head import Head
from models.learner import Learner
from models.training.objectives.episodic import Metrics, episodic

RATE = 0.03
MAX_NORM = 5.0


def fit_head(
    head: Head,
    features: Float[Tensor, "B D"],
    sets: Sequence[LabelSet],
    num_steps: int = 300,
    seed: int = 0,
    *,
    part: nn.Module | None = None,
) -> list[Metrics]:
    """Train the head, or a `part` of it, on episodes of these sets, whose rows are features of a frozen encoder.

    Returns what it saw. Only data that may be trained on belongs here: what is unknown is learned from labels left out
    of a task.
    """
    learner, batches = Learner(nn.Identity(), head).train(), LabelEpisodes(features, sets, seed=seed)
    moved = list((part or head).parameters())
    optimiser = torch.optim.Adam(moved, RATE)
    seen = []
    for step in range(num_steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / num_steps))
        learner.zero_grad()
        seen.append(episodic(learner, batches(step)))
        nn.utils.clip_grad_norm_(moved, MAX_NORM)
        optimiser.step()
    head.eval()
    return seen
