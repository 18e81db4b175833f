"""Prototypical networks (Snell et al. 2017) with cosine scores: a class is the mean direction of its examples."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams


class Prototypical(Head):
    """One prototype a class; logits are cosines times a learned scale. Where a task starts from does not matter."""

    factors = ("prototype",)

    def __init__(self, scale: float = 10.0) -> None:
        super().__init__()
        self.layout = {"prototype": "N D", "ways": "N"}
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def start(self, support: Support) -> TaskParams:
        """Prototypes at the origin: every class alike."""
        ways = classes_of(support).ways
        return {"prototype": support.rows.values.new_zeros((*ways.shape, support.rows.values.shape[-1])), "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the mean of each class's unit features, itself made a unit vector."""
        members = classes_of(support).one_hot(support.rows.mask)
        prototype: Float[Tensor, "T N D"] = members.mT @ F.normalize(support.rows.values.float(), dim=-1)
        yield {"prototype": F.normalize(prototype, dim=-1), "ways": start["ways"]}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled cosine between each query and each prototype."""
        cosine = F.normalize(query.values.float(), dim=-1) @ params["prototype"].mT
        return Logits(mask_absent(self.log_scale.exp() * cosine, params["ways"]))
