"""Bayesian linear regression, its learned prior a mixture of normals: the heterogeneity model (Verbeke, Lesaffre 1996).

A mixture comes near any distribution of tasks, which one normal does not: of sinusoids the phase, say, is on an arc.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, values_of
from models.types import Gaussian, Rows, Support, TaskParams

FIRM = 1e-6  # the least precision of a prior


class MixturePrior(Head):
    """Tasks are of some `kinds`: weights and intercept are `mean` + a mix of the `rank` rows of `subspace`.

    A kind has a share of the tasks and its own normal distribution of the mix; the noise is normal. The posterior is
    exact: a mixture of as many normals, weighed by their evidence. Targets keep the units of training.
    What is kept of a task is the sums that its likelihood consists of, so that the sums of one support are where the
    next starts from. Solved in double precision, kept in single.
    """

    def __init__(self, width: int, rank: int, kinds: int = 8, noise: float = 0.1) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(width + 1))  # the last is the intercept's
        self.subspace = nn.Parameter(nn.init.orthogonal_(torch.empty(rank, width + 1)))
        self.centres = nn.Parameter(torch.randn(kinds, rank))
        self.roots = nn.Parameter(torch.eye(rank).repeat(kinds, 1, 1))  # a precision is root root'
        self.log_share = nn.Parameter(torch.zeros(kinds))
        self.log_noise = nn.Parameter(torch.tensor(noise).log())  # standard deviation
        self.layout = {"squares": f"{rank} {rank}", "products": f"{rank} O"}

    def start(self, support: Support) -> TaskParams:
        """No example: sums of nothing."""
        values, rank = values_of(support).values, len(self.subspace)
        squares = values.new_zeros(len(values), rank, rank)
        return {"squares": squares, "products": values.new_zeros(len(values), rank, values.shape[-1])}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the support's sums are added."""
        rows, level = self._rows(support.rows)
        share = support.rows.mask.unsqueeze(-1) * (-self.log_noise.double()).exp()
        rows, values = rows.double() * share, (values_of(support).values - level).double() * share
        sums = {"squares": rows.mT @ rows, "products": rows.mT @ values}
        yield {name: (start[name].double() + each).float() for name, each in sums.items()}

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """Mean and variance of a noisy target at each query, under the mixture."""
        rows, level = self._rows(query)
        weight, factor, share = self._posterior(params)
        share = share.unsqueeze(2)
        means = rows.unsqueeze(1) @ weight
        reach = torch.linalg.solve_triangular(factor, rows.mT.unsqueeze(1), upper=False).square().sum(2).unsqueeze(-1)
        mean = (share * means).sum(1)
        spread = (share * (reach + (means - mean.unsqueeze(1)).square())).sum(1)
        return Gaussian(mean + level, spread + (2 * self.log_noise).exp())

    def _posterior(
        self, params: TaskParams
    ) -> tuple[Float[Tensor, "T J K O"], Float[Tensor, "T J K K"], Float[Tensor, "T J O"]]:
        """Of each kind: mean and Cholesky factor of the precision of the mix, and the kind's probability."""
        roots, centres = self.roots.double(), self.centres.double().unsqueeze(-1)
        precision = roots @ roots.mT + FIRM * torch.eye(roots.shape[-1], dtype=roots.dtype, device=roots.device)
        pull = precision @ centres
        known = _log_volume(torch.linalg.cholesky_ex(precision).L) - (centres * pull).sum((1, 2)) / 2
        factor = torch.linalg.cholesky_ex(precision + params["squares"].double().unsqueeze(1)).L
        pulled = pull + params["products"].double().unsqueeze(1)
        weight = torch.cholesky_solve(pulled, factor)
        prior = (self.log_share + known - _log_volume(factor)).unsqueeze(-1)
        share = (prior + (weight * pulled).sum(2) / 2).softmax(1)
        return weight.float(), factor.float(), share.float()

    def _rows(self, rows: Rows) -> tuple[Float[Tensor, "T R K"], Float[Tensor, "T R 1"]]:
        """What multiplies the mix, and what the mean says."""
        features = rows.values.float()
        ones = torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
        return ones @ self.subspace.mT, ones @ self.mean.unsqueeze(-1)


def _log_volume(factor: Float[Tensor, "*B K K"]) -> Float[Tensor, "*B"]:
    """Half the log-determinant of what the Cholesky factor is of."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
