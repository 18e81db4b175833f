"""Bayesian linear regression on learned features, with a learned prior and noise (ALPaCA, Harrison et al. 2018)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, values_of
from models.types import Gaussian, Rows, Support, TaskParams

CONSTANT = 1e-5  # targets that never vary are believed to this share of their size


class BayesianLinear(Head):
    """The posterior of a linear layer, its intercept free, over `rank` combinations of `width` features.

    The combinations are the prior: its covariance is `prior.weight.T @ prior.weight`. Prior and noise are in units
    of the task's own spread, the one that makes its targets most likely, so that answers follow the targets' units
    exactly; a single example says nothing of the spread, so its own size stands in. Outputs share `factor`, the
    Cholesky factor of the precision. The posterior of one support is the prior of the next: starting from it gives
    what adapting to both at once gives. Solved in double precision, kept in single.
    """

    def __init__(self, width: int, rank: int, noise: float = 0.1) -> None:
        super().__init__()
        self.rank = rank
        self.prior = nn.Linear(width, rank, bias=False)
        nn.init.orthogonal_(self.prior.weight)
        self.log_noise = nn.Parameter(torch.tensor(noise).log())  # standard deviation, as a share of the spread
        self.log_doubt = nn.Parameter(torch.tensor(0.0))  # how much the spread of few examples is widened
        size = rank + 1
        self.layout = {"weight": f"{size} O", "factor": f"{size} {size}", "misfit": "O", "power": "O", "count": ""}

    def start(self, support: Support) -> TaskParams:
        """The prior: unit precision for the weights, none for the intercept. It predicts nothing by itself."""
        values = values_of(support).values
        known = torch.cat([values.new_ones(self.rank), values.new_zeros(1)])
        return {
            "weight": values.new_zeros(len(values), self.rank + 1, values.shape[-1]),
            "factor": known.diag().expand(len(values), -1, -1),
            "misfit": values.new_zeros(len(values), values.shape[-1]),
            "power": values.new_zeros(len(values), values.shape[-1]),
            "count": values.new_zeros(len(values)),
        }

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: Bayes' rule, with `start` as the prior."""
        real = support.rows.mask.unsqueeze(-1)
        targets, prior = values_of(support).values.double() * real, {k: leaf.double() for k, leaf in start.items()}
        rows = self._rows(support.rows).double() * real / self.log_noise.double().exp()
        residual = targets / self.log_noise.double().exp() - rows @ prior["weight"]
        factor = torch.linalg.cholesky_ex(prior["factor"] @ prior["factor"].mT + rows.mT @ rows).L
        change = torch.cholesky_solve(rows.mT @ residual, factor)
        misfit = (residual - rows @ change).square().sum(1) + (prior["factor"].mT @ change).square().sum(1)
        posterior = {
            "weight": prior["weight"] + change,
            "factor": factor,
            "misfit": prior["misfit"] + misfit,
            "power": prior["power"] + targets.square().sum(1),
            "count": prior["count"] + support.rows.mask.sum(1),
        }
        yield {name: leaf.float() for name, leaf in posterior.items()}

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """Mean and variance of a noisy target at each query."""
        rows = self._rows(query)
        doubt = torch.linalg.solve_triangular(params["factor"], rows.mT, upper=False).square().sum(1)
        relative = self.log_noise.exp().square() + doubt
        return Gaussian(rows @ params["weight"], relative.unsqueeze(-1) * self._spread(params).unsqueeze(1))

    def _rows(self, rows: Rows) -> Float[Tensor, "T R E"]:
        features: Tensor = self.prior(rows.values.float())
        return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)

    def _spread(self, params: TaskParams) -> Float[Tensor, "T O"]:
        """The square of each task's spread, from its degrees of freedom or from the size of its one target."""
        count = params["count"].unsqueeze(-1)
        fitted = (params["misfit"] + CONSTANT**2 * params["power"]) / (count - 1).clamp(min=1)
        return torch.where(count > 1, fitted, params["power"]) * (1 + self.log_doubt.exp() / count)
