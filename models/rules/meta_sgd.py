"""A learned rate for every element: Meta-SGD (Li et al. 2017)."""

import torch
from torch import nn

from models.inner import Rule, Shapes, State
from models.types import TaskParams


class MetaSGD(Rule):
    """Every element of every leaf has its rate, which all classes share: renamed labels must not change an answer.

    A rate may turn negative, as in the paper: what is learned is the direction as well as the length.
    """

    def __init__(self, shapes: Shapes, rate: float) -> None:
        super().__init__()
        self.rows = {name: row for row, name in enumerate(sorted(shapes))}
        self.rates = nn.ParameterList(torch.full(shapes[name], rate) for name in self.rows)

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Each element goes against its gradient by its rate; nothing is remembered."""
        rates = {name: self.rates[row].contiguous() for name, row in self.rows.items()}  # as the leaves lie in memory
        return {name: leaf - rates[name] * gradients[name] for name, leaf in params.items()}, state
