"""Bayesian linear regression on learned features, its priors and noises learned (ALPaCA, Harrison et al. 2018)."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, values_of
from models.types import Gaussian, Rows, Support, TaskParams

CONSTANT = 1e-5  # targets that never vary are believed to this share of their size
TINY = 1e-30


class BayesianLinear(Head):
    """Linear layers, their intercepts free, under one hypothesis a noise, averaged by their evidence.

    A hypothesis combines the `width` features into `rank`, whose weights have unit variance, and adds noise; both are
    in units of the task's own spread, the one that makes its targets most likely, so that answers follow the
    targets' units exactly. A single example says nothing of the spread: its own size stands in.
    The posterior of one support is the prior of the next: starting from it gives what adapting to both at once
    gives. Solved in double precision, kept in single; `factor` is the Cholesky factor of the precision.
    """

    def __init__(self, width: int, rank: int, noises: Sequence[float] = (0.1,)) -> None:
        super().__init__()
        J, E = len(noises), rank + 1
        self.priors = nn.Parameter(torch.stack([nn.init.orthogonal_(torch.empty(rank, width)) for _ in noises]))
        self.log_noise = nn.Parameter(torch.tensor(noises).log())  # standard deviation, as a share of the spread
        self.log_weight = nn.Parameter(torch.zeros(J))  # of the hypotheses, before any example
        self.log_doubt = nn.Parameter(torch.tensor(2.0).log())  # widens a spread from few examples
        self.layout = {
            "weight": f"{J} {E} O",
            "factor": f"{J} {E} {E}",
            "misfit": f"{J} O",
            "power": "O",
            "count": "",
        }

    def start(self, support: Support) -> TaskParams:
        """The prior: unit precision for the weights, none for the intercept. It predicts nothing by itself."""
        values = values_of(support).values
        T, O, (J, rank, _) = len(values), values.shape[-1], self.priors.shape  # noqa: E741
        known = torch.cat([values.new_ones(rank), values.new_zeros(1)])
        return {
            "weight": values.new_zeros(T, J, rank + 1, O),
            "factor": known.diag().expand(T, J, -1, -1),
            "misfit": values.new_zeros(T, J, O),
            "power": values.new_zeros(T, O),
            "count": values.new_zeros(T),
        }

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: Bayes' rule, with `start` as the prior."""
        prior = {name: leaf.double() for name, leaf in start.items()}
        precision = (self.log_noise.double() * -1).exp().view(-1, 1, 1)
        real = support.rows.mask[:, None, :, None]
        targets = values_of(support).values.double().unsqueeze(1) * real
        rows = self._rows(support.rows).double() * real * precision
        residual = targets * precision - rows @ prior["weight"]
        factor = torch.linalg.cholesky_ex(prior["factor"] @ prior["factor"].mT + rows.mT @ rows).L
        change = torch.cholesky_solve(rows.mT @ residual, factor)
        misfit = (residual - rows @ change).square().sum(2) + (prior["factor"].mT @ change).square().sum(2)
        posterior = {
            "weight": prior["weight"] + change,
            "factor": factor,
            "misfit": prior["misfit"] + misfit,
            "power": prior["power"] + targets.square().sum((1, 2)),
            "count": prior["count"] + support.rows.mask.sum(1),
        }
        yield {name: leaf.float() for name, leaf in posterior.items()}

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """Mean and variance of a noisy target at each query."""
        rows = self._rows(query)
        means = rows @ params["weight"]
        reach = torch.linalg.solve_triangular(params["factor"], rows.mT, upper=False).square().sum(2)
        relative = (2 * self.log_noise).exp().unsqueeze(1) + reach
        variances = relative.unsqueeze(-1) * self._spread(params).unsqueeze(2)
        share = self._evidence(params).softmax(1).unsqueeze(2)
        mean = (share * means).sum(1)
        return Gaussian(mean, (share * (variances + (means - mean.unsqueeze(1)).square())).sum(1))

    def _rows(self, rows: Rows) -> Float[Tensor, "T J R E"]:
        features = rows.values.float().unsqueeze(1) @ self.priors.mT
        return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)

    def _spread(self, params: TaskParams) -> Float[Tensor, "T J O"]:
        """The squared spread; widened for its few degrees of freedom, about as Student's 90% interval is."""
        count, power = params["count"].view(-1, 1, 1), params["power"].unsqueeze(1)
        freedom = (count - 1).clamp(min=1)
        spread = torch.where(count > 1, self._misfit(params) / freedom, power)
        return spread * (1 + self.log_doubt.exp() / freedom + 11.7 / freedom**3.3)

    def _evidence(self, params: TaskParams) -> Float[Tensor, "T J O"]:
        """Log-probability of each hypothesis up to a constant, intercept and spread integrated out."""
        count = params["count"].view(-1, 1, 1)
        volume = params["factor"].diagonal(dim1=-2, dim2=-1).log().sum(-1, keepdim=True)
        scale = self.log_noise.unsqueeze(-1) * count
        return self.log_weight.unsqueeze(-1) - volume - scale - self._misfit(params).log() * (count - 1) / 2

    def _misfit(self, params: TaskParams) -> Float[Tensor, "T J O"]:
        return params["misfit"] + CONSTANT**2 * params["power"].unsqueeze(1) + TINY
