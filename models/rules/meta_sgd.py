"""A learned rate for every element: Meta-SGD (Li et al. 2017)."""

import torch
from torch import nn

from models.inner import Rule, Shapes, State
from models.types import TaskParams

TINY = 1e-12  # a squared length: keeps the derivative of a gradient of nothing finite


class MetaSGD(Rule):
    """Every element of every leaf has its rate, which all classes share: renamed labels must not change an answer.

    A rate may turn negative, as in the paper: what is learned is the direction as well as the length. With `max_norm`
    a task's gradient counts for no more than that length: else several steps at learned rates can run away.
    """

    def __init__(self, shapes: Shapes, rate: float, max_norm: float | None = None) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.rows = {name: row for row, name in enumerate(sorted(shapes))}
        self.rates = nn.ParameterList(torch.full(shapes[name], rate) for name in self.rows)

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Each element goes against its gradient by its rate; nothing is remembered."""
        if self.max_norm is not None:
            gradients = _shortened(gradients, self.max_norm)
        rates = {name: self.rates[row].contiguous() for name, row in self.rows.items()}  # as the leaves lie in memory
        return {name: leaf - rates[name] * gradients[name] for name, leaf in params.items()}, state


def _shortened(gradients: TaskParams, max_norm: float) -> TaskParams:
    """Each task's gradients over all leaves, at most so long."""
    squares = torch.stack([leaf.flatten(1).square().sum(1) for leaf in gradients.values()]).sum(0)
    share = (max_norm * (squares + TINY).rsqrt()).clamp(max=1)
    return {name: share.view(-1, *[1] * (leaf.ndim - 1)) * leaf for name, leaf in gradients.items()}
