"""Multinomial logistic regression, its penalty and scale learned (behind a frozen encoder: a linear probe)."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.bounded import added, fit
from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams


class Logistic(Head):
    """A linear layer on unit features, which minimises cross-entropy + penalty / 2 * squared weights over the rows."""

    balance = 1.0

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
        """The minimiser nearly, the weights shrunk towards those of `start`; on the way `start`, where it may pause."""
        mask, ways, rows = support.rows.mask, start["ways"], F.normalize(support.rows.values.float(), dim=-1)
        truth, penalty = classes_of(support).one_hot(mask), self.log_penalty.exp().expand(len(ways), 1, 1)
        for layer in fit(rows, mask.float(), truth, _outputs(start, rows), ways, penalty, self.num_steps):
            yield {**added(start, layer), "ways": ways} if layer else start

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled outputs of the layer."""
        outputs = _outputs(params, F.normalize(query.values.float(), dim=-1))
        return Logits(mask_absent(self.log_scale.exp() * outputs, params["ways"]))


def _outputs(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R N"]:
    return rows @ params["weight"].mT + params["bias"].unsqueeze(1)
