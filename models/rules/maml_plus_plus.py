"""Rates by leaf and step, and normalisations that change from step to step: MAML++ (Antoniou et al. 2019)."""

import torch
from torch import nn

from models.inner import Rule, Shapes, State
from models.types import TaskParams


class MAMLPlusPlus(Rule):
    """Learned rates [num_steps, leaves], kept as logarithms; steps after the last are made as the last.

    The scales and shifts of normalisations do not follow gradients: after each step come learned ones of that step.
    A leaf "weight" with one axis is such a scale, the "bias" beside it such a shift: no other layer has them.
    """

    def __init__(self, shapes: Shapes, rate: float, num_steps: int = 5) -> None:
        super().__init__()
        self.num_steps = num_steps
        scales = [name for name, shape in sorted(shapes.items()) if name.endswith("weight") and len(shape) == 1]
        shifts = [shift for scale in scales if (shift := f"{scale.removesuffix('weight')}bias") in shapes]
        moved = sorted(shapes.keys() - {*scales, *shifts})
        self.rows = {name: row for names in (moved, scales + shifts) for row, name in enumerate(names)}
        self.log_rates = nn.Parameter(torch.full((num_steps, len(moved)), rate).log())
        first = [torch.ones(num_steps, *shapes[name]) for name in scales]
        self.affine = nn.ParameterList(first + [torch.zeros(num_steps, *shapes[name]) for name in shifts])
        self.moved = frozenset(moved)

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Each leaf goes against its gradient by its rate at step `k`, or becomes what it is after that step."""
        k = min(k, self.num_steps - 1)
        rates, after = self.log_rates[k].exp(), {}
        for name, leaf in params.items():
            row = self.rows[name]
            if name in self.moved:
                after[name] = leaf - rates[row] * gradients[name]
            else:
                after[name] = torch.zeros_like(leaf) + self.affine[row][k]
        return after, state
