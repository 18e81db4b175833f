"""Ridge regression on class indicators in closed form: R2-D2 (Bertinetto et al. 2019), with learned constants."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams

TINY = 1e-30  # a variance: keeps identical support rows from dividing by zero


class Ridge(Head):
    """A linear layer fitted by least squares, its intercept free; the penalty and the logits' scale are learned.

    Features are normalised in one of three ways. "none": not at all. "unit": every row to length one, for the features
    of an encoder.
    "standard": every column by its own spread over the support, for vectors in their senders' units; mixing in a
    learned share of the mean spread keeps columns that hardly vary from being blown up.
    """

    balance = 1.3
    factors = ("weight", "bias")

    def __init__(
        self, normalise: Literal["unit", "standard", "none"] = "unit", penalty: float = 1.0, scale: float = 10.0
    ) -> None:
        super().__init__()
        self.layout = {"weight": "N D", "bias": "N", "centre": "D", "ways": "N"}
        self.normalise = normalise
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log())
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.power = nn.Parameter(torch.tensor(0.5))  # of the ways: fitted indicators grow fainter with every way
        self.mix = nn.Parameter(torch.tensor(0.0), requires_grad=normalise == "standard")  # of spreads, by a sigmoid

    def start(self, support: Support) -> TaskParams:
        """The prior's mean: a layer of zeros."""
        ways, features = classes_of(support).ways, support.rows.values
        weight = features.new_zeros((*ways.shape, features.shape[-1]), dtype=torch.float32)
        return {"weight": weight, "bias": weight[..., 0], "centre": weight[:, 0], "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the least-squares layer, shrunk towards `start`."""
        rows, mask = self._rows(support.rows), support.rows.mask
        residual = classes_of(support).one_hot(mask) - _outputs(start, rows)
        centre, middle = _mean(rows, mask), _mean(residual, mask)
        unit = self._unit(rows - centre, mask)
        change = solve(_real((rows - centre) / unit, mask), _real(residual - middle, mask), self.log_penalty.exp())
        bias = (_outputs(start, centre) + middle).squeeze(1)
        weight = start["weight"] + change.mT / unit
        yield {"weight": weight, "bias": bias, "centre": centre.squeeze(1), "ways": start["ways"]}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled outputs of the layer."""
        num_ways = params["ways"].sum(1)[:, None, None]
        scale = self.log_scale.exp() * num_ways**self.power
        return Logits(mask_absent(scale * _outputs(params, self._rows(query)), params["ways"]))

    def _rows(self, rows: Rows) -> Float[Tensor, "T R D"]:
        return F.normalize(rows.values.float(), dim=-1) if self.normalise == "unit" else rows.values.float()

    def _unit(self, centred: Float[Tensor, "T S D"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T 1 D"]:
        """What each column is divided by: one, or so much that a row's squared length is about one."""
        if self.normalise != "standard":
            return torch.ones_like(centred[:, :1])
        variance = _mean(centred.square(), mask)
        mean_variance = variance.mean(-1, keepdim=True)
        mixed = torch.lerp(variance, mean_variance.expand_as(variance), self.mix.sigmoid())
        return ((mixed + TINY) * centred.shape[-1]).sqrt()


def solve(
    rows: Float[Tensor, "T S D"], targets: Float[Tensor, "T S N"], penalty: Float[Tensor, ""]
) -> Float[Tensor, "T D N"]:
    """The weights that minimise squared error + penalty * squared weights; rows of zeros change nothing.

    Solved in the smaller of the two spaces, features (primal) or rows (dual): few shots of wide features cost
    little, and so do thousands of rows.
    """
    if rows.shape[1] < rows.shape[2]:
        return rows.mT @ torch.cholesky_solve(targets, _factor(rows @ rows.mT, penalty))
    return torch.cholesky_solve(rows.mT @ targets, _factor(rows.mT @ rows, penalty))


def _factor(gram: Float[Tensor, "T K K"], penalty: Float[Tensor, ""]) -> Float[Tensor, "T K K"]:
    ridge = penalty * torch.eye(gram.shape[-1], device=gram.device)
    factor: Tensor = torch.linalg.cholesky_ex(
        gram + ridge
    ).L  # the plain form would wait for the device to check for errors
    return factor


def _outputs(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R N"]:
    return (rows - params["centre"].unsqueeze(1)) @ params["weight"].mT + params["bias"].unsqueeze(1)


def _real(values: Float[Tensor, "T S K"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S K"]:
    """Zero in padded rows."""
    return values * mask.unsqueeze(-1)


def _mean(values: Float[Tensor, "T S K"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T 1 K"]:
    """Mean over each task's real rows."""
    return _real(values, mask).sum(1, keepdim=True) / mask.sum(1)[:, None, None]
