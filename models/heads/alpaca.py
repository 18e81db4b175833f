"""Bayesian linear regression whose prior is learned, mean and variance: ALPaCA (Harrison et al. 2018)."""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, values_of
from models.types import Gaussian, Rows, Support, TaskParams

TINY = 1e-30  # a squared target: keeps a spread of nothing from dividing by zero


class ALPaCA(Head):
    """Tasks differ within a subspace: their weights and intercept are `mean` + a mix of the `rank` rows of `subspace`.

    The mix is drawn from a unit normal, and the noise is normal: the posterior is exact, and the posterior of one
    support is the prior of the next. With units "own", all of that is a share of the task's spread, the one that makes
    its targets most likely, so that answers follow the targets' units. With units "trained", targets keep the units
    of training, and their level and spread are part of what was learned: a linear mixed model (Laird and Ware 1982).
    Solved in double precision, kept in single; `factor` is the Cholesky factor of the mix's precision, `drift` the
    mix that the mean itself would be mistaken for.
    """

    def __init__(self, width: int, rank: int, noise: float = 0.1, units: Literal["own", "trained"] = "own") -> None:
        super().__init__()
        self.units = units
        self.mean = nn.Parameter(torch.zeros(width + 1))  # the last is the intercept's
        self.subspace = nn.Parameter(nn.init.orthogonal_(torch.empty(rank, width + 1)))
        self.log_noise = nn.Parameter(torch.tensor(noise).log())  # standard deviation
        self.log_doubt = nn.Parameter(torch.tensor(1.0).log(), requires_grad=units == "own")  # of few examples' spread
        mix = {"weight": f"{rank} O", "drift": f"{rank}", "factor": f"{rank} {rank}"}
        self.layout = {**mix, "misfit": "O", "cross": "O", "count": ""}

    def effective_rank(self) -> float:
        """In how many directions tasks differ, see `effective_rank`."""
        return effective_rank(self.subspace)

    def start(self, support: Support) -> TaskParams:
        """The prior."""
        values, rank = values_of(support).values, len(self.subspace)
        T, O = len(values), values.shape[-1]  # noqa: E741
        return {
            "weight": values.new_zeros(T, rank, O),
            "drift": values.new_zeros(T, rank),
            "factor": torch.eye(rank, device=values.device).expand(T, -1, -1),
            "misfit": values.new_zeros(T, O),
            "cross": values.new_zeros(T, O),
            "count": values.new_zeros(T),
        }

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: Bayes' rule, with `start` as the prior, for the targets and for the prior's mean beside them."""
        prior = {name: leaf.double() for name, leaf in start.items()}
        rows, level = self._rows(support.rows)
        share = support.rows.mask.unsqueeze(-1) * (-self.log_noise.double()).exp()
        rows, columns = rows.double() * share, torch.cat([values_of(support).values, level], -1).double() * share
        weight = torch.cat([prior["weight"], prior["drift"].unsqueeze(-1)], -1)
        residual = columns - rows @ weight
        factor = torch.linalg.cholesky_ex(prior["factor"] @ prior["factor"].mT + rows.mT @ rows).L
        change = torch.cholesky_solve(rows.mT @ residual, factor)
        left = torch.cat([residual - rows @ change, prior["factor"].mT @ change], 1)
        posterior = {
            "weight": (weight + change)[..., :-1],
            "drift": (weight + change)[..., -1],
            "factor": factor,
            "misfit": prior["misfit"] + left[..., :-1].square().sum(1),
            "cross": prior["cross"] + (left[..., :-1] * left[..., -1:]).sum(1),
            "count": prior["count"] + support.rows.mask.sum(1),
        }
        yield {name: leaf.float() for name, leaf in posterior.items()}

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """Mean and variance of a noisy target at each query."""
        rows, level = self._rows(query)
        spread = self._spread(params).unsqueeze(1)
        mean = rows @ params["weight"] + spread * (level - rows @ params["drift"].unsqueeze(-1))
        reach = torch.linalg.solve_triangular(params["factor"], rows.mT, upper=False).square().sum(1).unsqueeze(-1)
        doubt = 1 + self.log_doubt.exp() / params["count"].view(-1, 1, 1) if self.units == "own" else 1.0
        return Gaussian(mean, spread.square() * doubt * ((2 * self.log_noise).exp() + reach))

    def _rows(self, rows: Rows) -> tuple[Float[Tensor, "T R K"], Float[Tensor, "T R 1"]]:
        """What multiplies the mix, and what the mean says."""
        features = rows.values.float()
        ones = torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
        return ones @ self.subspace.mT, ones @ self.mean.unsqueeze(-1)

    def _spread(self, params: TaskParams) -> Float[Tensor, "T O"]:
        """The unit that makes the targets most likely: the root of count * s^2 + cross * s = misfit."""
        if self.units == "trained":
            return torch.ones_like(params["misfit"])
        count, cross, misfit = params["count"].unsqueeze(-1), params["cross"], params["misfit"] + TINY
        root = (cross.square() + 4 * count * misfit).sqrt()
        return torch.where(cross > 0, 2 * misfit / (cross.abs() + root), (root - cross) / (2 * count))


def effective_rank(rows: Float[Tensor, "R D"]) -> float:
    """Of the covariance that the rows span: the exponential of its spectrum's entropy (Roy and Vetterli 2007)."""
    shares = torch.linalg.svdvals(rows.detach()).square()
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())
