"""A multilayer perceptron over vectors."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Vectors of `input_dim` numbers -> the last of `widths` features; tanh or ReLU after every layer, also the last.

    `scale` divides the inputs, a fixed unit: such as the half-width of the range that the model is made for. With
    `through` the inputs, so divided, are features too, before the others: a line stays one beyond that range.
    """

    def __init__(
        self,
        input_dim: int,
        widths: list[int],
        activation: str = "tanh",
        scale: float = 1.0,
        through: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.through = scale, through
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise([input_dim, *widths]):
            layers += [nn.Linear(fan_in, fan_out), {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]()]
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Float[Tensor, "*B X"]) -> Float[Tensor, "*B D"]:
        """Features of each row."""
        scaled = inputs / self.scale
        features: Tensor = self.layers(scaled)
        return torch.cat([scaled, features], -1) if self.through else features
