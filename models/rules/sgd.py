"""Gradient descent, the rule of MAML (Finn et al. 2017)."""

import torch
from torch import nn

from models.inner import Rule, Shapes, State
from models.types import TaskParams


class SGD(Rule):
    """One rate, or one a leaf, fixed or learned. Rates are kept as logarithms, so that a learned one stays positive."""

    def __init__(self, shapes: Shapes, rate: float, learned: bool = False, per_leaf: bool = False) -> None:
        super().__init__()
        self.rows = {name: row if per_leaf else 0 for row, name in enumerate(sorted(shapes))}
        rates = torch.full((len(shapes) if per_leaf else 1,), rate)
        self.log_rates = nn.Parameter(rates.log(), requires_grad=learned)

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Each leaf goes against its gradient by its rate; nothing is remembered."""
        rates = self.log_rates.exp()
        return {name: leaf - rates[self.rows[name]] * gradients[name] for name, leaf in params.items()}, state
