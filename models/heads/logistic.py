"""Multinomial logistic regression, its penalty and scale learned (behind a frozen encoder: a linear probe)."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams

PAUSE = 4  # steps between two params that are handed out


class Logistic(Head):
    """A linear layer on unit features that minimises cross-entropy + penalty / 2 * squared weights, summed over rows.

    A Newton step would factor a matrix of ways times features. The curvature of every class is bounded by half the
    rows' second moments, whatever the weights are (Böhning 1992): one factor a task, shared by its classes and steps.
    Every step is then a matrix product, accelerated by momentum (Nesterov 1983). The intercept is free.
    """

    def __init__(self, penalty: float = 0.1, scale: float = 1.0, num_steps: int = 48) -> None:
        super().__init__()
        self.layout = {"weight": "N D", "bias": "N", "ways": "N"}
        self.num_steps = num_steps
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log())
        self.log_scale = nn.Parameter(torch.tensor(scale).log())  # of the logits, once fitted: how sure they are

    def start(self, support: Support) -> TaskParams:
        """A layer of zeros: every class alike."""
        ways, features = classes_of(support).ways, support.rows.values
        weight = features.new_zeros((*ways.shape, features.shape[-1]), dtype=torch.float32)
        return {"weight": weight, "bias": weight[..., 0], "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """Steps towards the minimiser, the weights shrunk towards those of `start`; the params after every fourth.

        Solved in the smaller of the two spaces: a change of the weights is a mix of the rows.
        """
        mask, ways, penalty = support.rows.mask, start["ways"], self.log_penalty.exp()
        rows, num_rows = F.normalize(support.rows.values.float(), dim=-1), mask.sum(1)[:, None, None]
        truth, offset = classes_of(support).one_hot(mask), _outputs(start, rows)
        centre = _real(rows, mask).sum(1, keepdim=True) / num_rows
        rows = _real(rows - centre, mask)  # then the intercept is apart from the weights in the bound
        seen = rows @ rows.mT if rows.shape[1] < rows.shape[2] else rows
        span = rows if rows.shape[1] < rows.shape[2] else None
        inverse = _inverse(rows @ rows.mT if span is not None else rows.mT @ rows, penalty)
        change = before = rows.new_zeros((len(rows), seen.shape[2], ways.shape[1]))
        bias = bias_before = change[:, :1] * 0
        for k in range(self.num_steps):
            momentum = k / (k + 3)
            ahead, bias_ahead = (now + momentum * (now - then) for now, then in ((change, before), (bias, bias_before)))
            chance = mask_absent(offset + seen @ ahead + bias_ahead, ways).softmax(-1)
            surplus = _real(chance - truth, mask)
            push = surplus if span is not None else rows.mT @ surplus
            before, change = change, ahead - inverse @ (push + penalty * ahead)
            bias_before, bias = bias, bias_ahead - 2 / num_rows * surplus.sum(1, keepdim=True)
            if (k + 1) % PAUSE == 0 or k + 1 == self.num_steps:
                weight = start["weight"] + (change if span is None else span.mT @ change).mT
                moved = bias - centre @ (weight - start["weight"]).mT
                yield {"weight": weight, "bias": start["bias"] + moved.squeeze(1), "ways": ways}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled outputs of the layer."""
        outputs = _outputs(params, F.normalize(query.values.float(), dim=-1))
        return Logits(mask_absent(self.log_scale.exp() * outputs, params["ways"]))


def _outputs(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R N"]:
    return rows @ params["weight"].mT + params["bias"].unsqueeze(1)


def _real(values: Float[Tensor, "T S K"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T S K"]:
    """Zero in padded rows."""
    return values * mask.unsqueeze(-1)


def _inverse(gram: Float[Tensor, "T K K"], penalty: Float[Tensor, ""]) -> Float[Tensor, "T K K"]:
    """Of the bound on the curvature; the plain Cholesky would wait for the device to check for errors."""
    bound = gram / 2 + penalty * torch.eye(gram.shape[-1], device=gram.device)
    inverse: Tensor = torch.cholesky_inverse(torch.linalg.cholesky_ex(bound).L)
    return inverse
