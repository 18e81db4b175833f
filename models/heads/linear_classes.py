"""A plain linear layer for classes, fitted by least squares (R2-D2, Bertinetto et al. 2019) or trained with others."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.heads.ridge import solve
from models.types import Logits, Rows, Support, TaskParams


class LinearClasses(Head):
    """Logits are a layer on unit features and nothing else: what is learned of adapting ends up in weight and bias.

    So a layer that was trained together with others, as a task of a model, is params like those of any task. Adapting
    fits class indicators, shrunk towards `start`, with a learned penalty; the learned scale of the logits, a power of
    the number of ways, is multiplied in.
    """

    factors = ("weight", "bias")

    def __init__(self, penalty: float = 1.0, scale: float = 10.0) -> None:
        super().__init__()
        self.layout = {"weight": "N D", "bias": "N", "ways": "N"}
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log())
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.power = nn.Parameter(torch.tensor(0.5))

    def start(self, support: Support) -> TaskParams:
        """A layer of zeros: every class alike."""
        ways, features = classes_of(support).ways, support.rows.values
        weight = features.new_zeros((*ways.shape, features.shape[-1]), dtype=torch.float32)
        return {"weight": weight, "bias": weight[..., 0], "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the least-squares layer, its intercept free."""
        target, mask = classes_of(support), support.rows.mask.unsqueeze(-1)
        rows, count = unit(support.rows), mask.sum(1, keepdim=True)
        scale = self.log_scale.exp() * target.ways.sum(1)[:, None, None] ** self.power
        residual = target.one_hot(support.rows.mask) - _outputs(start, rows) / scale
        centre, middle = (rows * mask).sum(1, True) / count, (residual * mask).sum(1, True) / count
        change = solve((rows - centre) * mask, (residual - middle) * mask, self.log_penalty.exp()).mT
        bias = start["bias"] + (scale * (middle - centre @ change.mT)).squeeze(1)
        yield {"weight": start["weight"] + scale * change, "bias": bias, "ways": start["ways"]}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Outputs of the layer."""
        return Logits(mask_absent(_outputs(params, unit(query)), params["ways"]))


def unit(rows: Rows) -> Float[Tensor, "T R D"]:
    """Features of length one."""
    return F.normalize(rows.values.float(), dim=-1)


def _outputs(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R N"]:
    return rows @ params["weight"].mT + params["bias"].unsqueeze(1)
