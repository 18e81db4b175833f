"""Families of regression tasks whose best predictor is known: linear maps, and the sinusoids of Finn et al. (2017)."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from models.data.episodes import Batch, generator, split_batch


@dataclass(frozen=True)
class LinearTasks:
    """y = w x + noise: x is standard normal, and w = mean + subspace' z with z standard normal, as `prior` has it."""

    dim: int = 8
    rank: int = 4
    noise: float = 0.5
    num_tasks: int = 64
    min_shots: int = 10
    max_shots: int = 10
    queries: int = 20
    seed: int = 0

    @cached_property
    def prior(self) -> tuple[Float[Tensor, "D"], Float[Tensor, "R D"]]:
        """The mean of the weights, and the directions in which tasks differ; the same for every seed."""
        draw = Generator().manual_seed(0)
        return torch.randn(self.dim, generator=draw), torch.randn(self.rank, self.dim, generator=draw)

    def __call__(self, step: int) -> Batch:
        """The tasks of one step, all of the same number of shots."""
        draw = generator(self.seed, step)
        shots = int(torch.randint(self.min_shots, self.max_shots + 1, (), generator=draw))
        mean, subspace = self.prior
        weights = mean + torch.randn(self.num_tasks, self.rank, generator=draw) @ subspace
        inputs = torch.randn(self.num_tasks, shots + self.queries, self.dim, generator=draw)
        values = inputs @ weights.unsqueeze(-1)
        return split_batch(inputs, values + self.noise * torch.randn(values.shape, generator=draw), shots)


@dataclass(frozen=True)
class SinusoidTasks:
    """y = amplitude sin(x + phase) + noise: amplitude of 0.1 to 5, phase of 0 to pi, x of -5 to 5, all uniform."""

    noise: float = 0.0
    num_tasks: int = 25
    min_shots: int = 10
    max_shots: int = 10
    queries: int = 10
    seed: int = 0

    def __call__(self, step: int) -> Batch:
        """The tasks of one step, all of the same number of shots; their queries are as noisy as their support."""
        draw = generator(self.seed, step)
        shots = int(torch.randint(self.min_shots, self.max_shots + 1, (), generator=draw))
        amplitude = 0.1 + 4.9 * torch.rand(self.num_tasks, 1, 1, generator=draw)
        phase = math.pi * torch.rand(self.num_tasks, 1, 1, generator=draw)
        inputs = 10 * torch.rand(self.num_tasks, shots + self.queries, 1, generator=draw) - 5
        values = amplitude * (inputs + phase).sin()
        return split_batch(inputs, values + self.noise * torch.randn(values.shape, generator=draw), shots)
