"""The best predictors of tasks whose families are known: what no method can beat in the mean."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.data.episodes import Batch
from models.data.regressions import LinearTasks
from models.types import Values

NODES = 192  # of either axis
MAX_TASKS = 50  # at once, to bound memory


def sinusoid_means(batch: Batch, noise: float, nodes: int = NODES) -> Float[Tensor, "T Q"]:
    """The posterior mean of a sinusoid at its queries: Gauss-Legendre quadrature over amplitude and phase.

    With the phase given, the likelihood is a parabola in the amplitude, so that two sums over the support suffice;
    the mean is linear in the posterior means of amplitude cos(phase) and amplitude sin(phase).
    """
    x, y = (leaf.squeeze(-1).double() for leaf in (batch.support.rows.values, _values(batch)))
    queries = batch.query.values.squeeze(-1).double()
    amplitude, width = legendre(0.1, 5.0, nodes)
    phase, height = legendre(0.0, math.pi, nodes)
    means = []
    for first in range(0, len(x), MAX_TASKS):
        rows, targets, asked = (leaf[first : first + MAX_TASKS] for leaf in (x, y, queries))
        waves = (rows.unsqueeze(1) + phase.view(1, -1, 1)).sin()
        match, power = (waves * targets.unsqueeze(1)).sum(2), waves.square().sum(2)
        fit = match.unsqueeze(2) * amplitude - power.unsqueeze(2) * amplitude.square() / 2
        weight = torch.softmax((fit / noise**2 + width.log() + height.log().unsqueeze(1)).flatten(1), 1)
        size = weight.view_as(fit) @ amplitude
        cosine, sine = size @ phase.cos(), size @ phase.sin()
        means.append(cosine.unsqueeze(1) * asked.sin() + sine.unsqueeze(1) * asked.cos())
    return torch.cat(means)


def legendre(low: float, high: float, nodes: int) -> tuple[Float[Tensor, "G"], Float[Tensor, "G"]]:
    """Nodes of Gauss-Legendre quadrature on an interval, and the weights that sum to its length."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    half = (high - low) / 2
    return torch.from_numpy(low + half * (places + 1)), torch.from_numpy(half * weights)


def linear_means(batch: Batch, tasks: LinearTasks) -> Float[Tensor, "T Q"]:
    """The posterior mean of a linear map at its queries, under the prior that made it."""
    x, y, queries = batch.support.rows.values.double(), _values(batch).double(), batch.query.values.double()
    mean, subspace = (part.double() for part in tasks.prior)
    rows = x @ subspace.T
    precision = rows.mT @ rows / tasks.noise**2 + torch.eye(tasks.rank, dtype=torch.float64)
    pull = rows.mT @ (y - (x @ mean).unsqueeze(-1)) / tasks.noise**2
    mix = torch.linalg.solve(precision, pull)
    means: Tensor = queries @ mean + (queries @ subspace.T @ mix).squeeze(-1)
    return means


def _values(batch: Batch) -> Float[Tensor, "T S 1"]:
    assert isinstance(batch.support.target, Values)
    return batch.support.target.values
