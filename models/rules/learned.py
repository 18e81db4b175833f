"""A learned learning algorithm: a recurrent network moves each coordinate (Andrychowicz et al. 2016)."""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.inner import Rule, Shapes, State
from models.types import TaskParams

FAINTEST = 1e-6  # of a mean squared gradient: below it a gradient counts for little, whatever its direction
FORGETS = 4.0  # log-odds: an untrained network keeps 2% of a velocity


class Learned(Rule):
    """One small network for all coordinates, so that it serves any number of classes; each has a state of its own.

    It reads a coordinate's gradient and velocity in units of its leaf's gradient, and that size; it says how far to
    go and how much of the velocity to keep. Untrained, it is descent by `rate`. The state of a leaf is its velocity
    [T P] and what the network remembers [T P H], for P coordinates.
    """

    def __init__(self, shapes: Shapes, rate: float, hidden: int = 8) -> None:
        super().__init__()
        self.hidden = hidden
        self.sizes = {name: prod(shape) for name, shape in shapes.items()}
        self.rows = {name: row for row, name in enumerate(sorted(shapes))}
        self.log_rates = nn.Parameter(torch.full((len(shapes),), rate).log())
        self.cell = nn.GRUCell(3, hidden)
        self.readout = nn.Linear(hidden, 2)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)

    def begin(self, params: TaskParams) -> State:
        """No velocity, and nothing remembered."""
        flat = {name: leaf.reshape(len(leaf), -1) for name, leaf in params.items()}
        velocity = {f"{name} velocity": torch.zeros_like(leaf) for name, leaf in flat.items()}
        return velocity | {f"{name} memory": leaf.new_zeros(*leaf.shape, self.hidden) for name, leaf in flat.items()}

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Each coordinate goes against its velocity, as far as the network says."""
        after, rates = {}, self.log_rates.exp()
        for name, leaf in params.items():
            gradient, velocity = gradients[name].reshape(len(leaf), -1), state[f"{name} velocity"]
            memory = self._read(gradient, velocity, state[f"{name} memory"], self.sizes[name])
            gain, kept = self.readout(memory).unbind(-1)
            velocity = gradient + (kept - FORGETS).sigmoid() * velocity
            after[name] = leaf - rates[self.rows[name]] * (gain.exp() * velocity).view_as(leaf)
            state = {**state, f"{name} velocity": velocity, f"{name} memory": memory}
        return after, state

    def _read(
        self, gradient: Float[Tensor, "T P"], velocity: Float[Tensor, "T P"], memory: Float[Tensor, "T P H"], size: int
    ) -> Float[Tensor, "T P H"]:
        """What each coordinate remembers now. `size` counts one class: padded ones must not dilute the mean."""
        unit = (gradient.square().sum(1, keepdim=True) / size + FAINTEST).sqrt()
        seen = torch.stack([gradient / unit, velocity / unit, unit.log().expand_as(gradient)], -1)
        recalled: Tensor = self.cell(seen.flatten(0, 1), memory.flatten(0, 1))
        return recalled.view_as(memory)
