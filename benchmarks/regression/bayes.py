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
SAMPLES, FREEDOM = 4000, 6  # of a posterior, and of the Student distribution they are drawn from
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


def means_behind(batch: Batch, tasks: LinearTasks, features: Float[Tensor, "K D"]) -> Float[Tensor, "T Q"]:
    """The posterior mean at the queries where inputs are seen through `features` alone: by importance sampling.

    What is hidden of the inputs is noise, the stronger the more a task's weights lie there: its variance depends on
    the task, so that no normal posterior is exact. Samples are of a Student distribution about the one that takes the
    mean variance; where nothing is hidden that one is exact, and the samples only add their spread to the error.
    """
    seen = features.double()
    back = torch.linalg.pinv(seen)
    mean, subspace = (part.double() for part in tasks.prior)
    hidden = torch.eye(tasks.dim, dtype=torch.float64) - back @ seen
    y = _values(batch).double().squeeze(-1)
    rows, asked = (each.values.double() @ seen.T for each in (batch.support.rows, batch.query))
    if hidden.norm() < 1e-5:
        return linear_means(batch, tasks)
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(SAMPLES, tasks.rank, generator=draw, dtype=torch.float64)
    chi = torch.randn(SAMPLES, FREEDOM, generator=draw, dtype=torch.float64).square().sum(1, keepdim=True)
    student = normal * (FREEDOM / chi).sqrt()
    outside = (FREEDOM + tasks.rank) / 2 * (student.square().sum(1) / FREEDOM).log1p()  # minus its log-density
    typical = (mean @ hidden @ mean + ((subspace @ hidden) * subspace).sum()) + tasks.noise**2
    means = []
    for x, values, query in zip(rows, y, asked, strict=True):
        columns, level = x @ (subspace @ back).T, x @ (back.T @ mean)
        precision = columns.T @ columns / typical + torch.eye(tasks.rank, dtype=torch.float64)
        centre = torch.linalg.solve(precision, columns.T @ (values - level) / typical)
        root = torch.linalg.inv(torch.linalg.cholesky(precision))
        mixes = centre + student @ root
        weights = mean + mixes @ subspace
        variance = ((weights @ hidden) * weights).sum(1) + tasks.noise**2
        miss = values.unsqueeze(1) - level.unsqueeze(1) - columns @ mixes.T
        fit = -miss.square().sum(0) / variance / 2 - len(values) / 2 * variance.log() - mixes.square().sum(1) / 2
        share = (fit + outside).softmax(0)
        means.append(query @ (back.T @ (share @ weights)))
    return torch.stack(means)


def _values(batch: Batch) -> Float[Tensor, "T S 1"]:
    assert isinstance(batch.support.target, Values)
    return batch.support.target.values
