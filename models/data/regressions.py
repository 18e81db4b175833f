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

    def __call__(self, step: int, tasks: range | None = None) -> Batch:
        """The tasks of one step, or these of them: all of the same number of shots."""
        return _batch(self, step, tasks)

    def task(self, draw: Generator, rows: int) -> tuple[Float[Tensor, "R D"], Float[Tensor, "R 1"]]:
        """Inputs and targets of one task."""
        mean, subspace = self.prior
        weights = mean + torch.randn(self.rank, generator=draw) @ subspace
        inputs = torch.randn(rows, self.dim, generator=draw)
        return inputs, (inputs @ weights).unsqueeze(1) + self.noise * torch.randn(rows, 1, generator=draw)


@dataclass(frozen=True)
class SinusoidTasks:
    """y = amplitude sin(x + phase) + noise: amplitude of 0.1 to 5, phase of 0 to pi, x of -5 to 5, all uniform."""

    noise: float = 0.0
    num_tasks: int = 25
    min_shots: int = 10
    max_shots: int = 10
    queries: int = 10
    seed: int = 0

    def __call__(self, step: int, tasks: range | None = None) -> Batch:
        """The tasks of one step, or these of them: of the same number of shots, queries as noisy as their support."""
        return _batch(self, step, tasks)

    def task(self, draw: Generator, rows: int) -> tuple[Float[Tensor, "R 1"], Float[Tensor, "R 1"]]:
        """Inputs and targets of one task."""
        amplitude, phase = torch.rand(2, generator=draw)
        inputs = 10 * torch.rand(rows, 1, generator=draw) - 5
        values = (0.1 + 4.9 * amplitude) * (inputs + math.pi * phase).sin()
        return inputs, values + self.noise * torch.randn(rows, 1, generator=draw)


def _batch(family: LinearTasks | SinusoidTasks, step: int, tasks: range | None) -> Batch:
    """The step's number of shots, and each task by the randomness of its own."""
    shots = int(torch.randint(family.min_shots, family.max_shots + 1, (), generator=generator(family.seed, step)))
    draws = [generator(family.seed, step, task) for task in tasks or range(family.num_tasks)]
    inputs, values = zip(*(family.task(draw, shots + family.queries) for draw in draws), strict=True)
    return split_batch(torch.stack(inputs), torch.stack(values), shots)
