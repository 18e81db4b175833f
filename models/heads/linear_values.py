"""A plain linear layer for numeric targets: ridge regression in the task's own units, or trained with others."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, values_of
from models.heads.linear_classes import unit
from models.types import Gaussian, Rows, Support, TaskParams

CONSTANT = 1e-5  # targets that never vary are believed to this share of their size


class LinearValues(Head):
    """The mean is a layer on unit features, the deviation one number an output: a task's leaves are these, and no more.

    The layer minimises squared error + penalty * squared weights, the intercept free, shrunk towards `start`. The
    deviation is that of rows left out, in closed form, widened where they are few; a single example says nothing of
    it: its own size stands in. All of it follows the targets' units exactly.
    """

    def __init__(self, penalty: float = 0.1) -> None:
        super().__init__()
        self.layout = {"weight": "O D", "bias": "O", "std": "O"}
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log())
        self.log_doubt = nn.Parameter(torch.tensor(0.0))  # how much wider for being made of one row more than none

    def start(self, support: Support) -> TaskParams:
        """A layer of zeros, sure of nothing."""
        values, width = values_of(support).values, support.rows.values.shape[-1]
        none = values.new_zeros(len(values), values.shape[-1])
        return {"weight": none.unsqueeze(-1).expand(-1, -1, width), "bias": none, "std": none}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step, in double precision."""
        mask, values = support.rows.mask.unsqueeze(-1), values_of(support).values.double()
        count = mask.sum(1, keepdim=True).double()
        rows = unit(support.rows).double() * mask
        residual = (values - _means(start, rows)) * mask
        centre, middle = rows.sum(1, keepdim=True) / count, residual.sum(1, keepdim=True) / count
        rows, residual = (rows - centre) * mask, (residual - middle) * mask
        square = rows.mT @ rows + self.log_penalty.double().exp() * torch.eye(rows.shape[-1], device=rows.device)
        factor = torch.linalg.cholesky_ex(square).L
        change = torch.cholesky_solve(rows.mT @ residual, factor)
        reach = torch.linalg.solve_triangular(factor, rows.mT, upper=False).square().sum(1).unsqueeze(-1)
        left_out = (residual - rows @ change) / (1 - reach - 1 / count).clamp(min=1e-6) * mask
        yield {
            "weight": start["weight"] + change.mT.float(),
            "bias": start["bias"] + (middle - centre @ change).squeeze(1).float(),
            "std": self._std(left_out, values * mask, count.squeeze(1)).float(),
        }

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """The layer's outputs, and the same variance everywhere."""
        mean = _means(params, unit(query))
        return Gaussian(mean, params["std"].square().unsqueeze(1).expand_as(mean))

    def _std(
        self, left_out: Float[Tensor, "T S O"], values: Float[Tensor, "T S O"], count: Float[Tensor, "T 1"]
    ) -> Float[Tensor, "T O"]:
        power = values.square().sum(1) / count
        spread = torch.where(count > 1, left_out.square().sum(1) / count, power) + CONSTANT**2 * power + 1e-30
        return (spread * (1 + self.log_doubt.double().exp() / count)).sqrt()


def _means(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R O"]:
    return rows @ params["weight"].to(rows.dtype).mT + params["bias"].to(rows.dtype).unsqueeze(1)
