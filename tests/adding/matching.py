"""Matching networks (Vinyals et al. 2016): a query's label is that of the support it is like, row by row."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams


class Matching(Head):
    """Keeps every row; a label's probability is the share of a query's attention that its rows get."""

    def __init__(self, scale: float = 10.0) -> None:
        super().__init__()
        self.layout = {"keys": "S D", "labels": "S N", "ways": "N"}
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def start(self, support: Support) -> TaskParams:
        """No row has been seen."""
        rows, ways = support.rows.values.float(), classes_of(support).ways
        return {"keys": torch.zeros_like(rows), "labels": rows.new_zeros(*rows.shape[:2], ways.shape[1]), "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the rows' directions, and their labels; a row of padding has none."""
        labels = classes_of(support).one_hot(support.rows.mask)
        yield {"keys": F.normalize(support.rows.values.float(), dim=-1), "labels": labels, "ways": start["ways"]}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """The log of the attention on each label, up to a constant."""
        cosine: Float[Tensor, "T Q S"] = F.normalize(query.values.float(), dim=-1) @ params["keys"].mT
        attention = (self.log_scale.exp() * (cosine - 1)).exp() @ params["labels"]
        return Logits(mask_absent(attention.clamp_min(1e-30).log(), params["ways"]))
