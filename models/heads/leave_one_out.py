"""The loss of nearest centroids that leave out the row they are asked about, a few rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from models.types import Rows

ABSENT = -1e4  # a logit, finite so that its gradient is


@dataclass(frozen=True)
class Turn:
    """Rows of all tasks, flat, each with the sums that it is compared with; `share`: of its task's mean."""

    values: Shaped[Tensor, "B *F"]
    task: Int64[Tensor, "B"]
    members: Float[Tensor, "B N"]
    unit: Float[Tensor, "B D"]  # as it was when the sums were taken
    share: Float[Tensor, "B"]


@dataclass(frozen=True)
class Centroids:
    """Sums of the unit features of each label's rows, the features themselves, and how many there are."""

    sums: Float[Tensor, "T N D"]
    unit: Float[Tensor, "T S D"]
    counts: Float[Tensor, "T N"]

    @classmethod
    def of(cls, features: Float[Tensor, "T S D"], members: Float[Tensor, "T S N"]) -> "Centroids":
        """Those of these rows."""
        unit = F.normalize(features, dim=-1)
        return cls(members.mT @ unit, unit, members.sum(1))

    def loss(self, features: Float[Tensor, "B D"], turn: Turn, scale: float) -> Float[Tensor, ""]:
        """Cross-entropy of the rows' cosines with the centroids of all other rows, summed over tasks."""
        others = self.counts[turn.task] - turn.members
        rest = self.sums[turn.task] - turn.members.unsqueeze(-1) * turn.unit.unsqueeze(1)
        cosines = (F.normalize(rest, dim=-1) @ F.normalize(features, dim=-1).unsqueeze(-1)).squeeze(-1)
        logits = (scale * cosines).masked_fill(others < 0.5, ABSENT)
        return -(turn.share * (_aims(turn.members, others) * logits.log_softmax(-1)).sum(-1)).sum()


class Turns:
    """A support's rows, at most `max_rows` of a task at a step, so that every label has its share of every turn."""

    def __init__(
        self, rows: Rows, members: Float[Tensor, "T S N"], places: tuple[Int64[Tensor, "T S"], ...], max_rows: int
    ) -> None:
        among_label, among_all = places
        num = members.shape[1]
        is_member = members.sum(-1) > 0
        self._order = (among_label * num + among_all).masked_fill(~is_member, num * num).argsort(1)
        self._num_rows = is_member.sum(1)
        self._place = among_all
        self._window = torch.arange(min(num, max_rows), device=members.device)
        self._values = rows.values.flatten(0, 1)
        self._members = members
        counts = members.sum(1, keepdim=True)
        self._counts_much = ((members * (counts > 1)).sum(-1) > 0).float()

    def pieces(
        self, k: int, centroids: Centroids, piece_rows: int, blanks: Bool[Tensor, "H L"] | None
    ) -> Iterator[Turn]:
        """The rows of step `k`, each without the tokens, or places, that one row of `blanks` says."""
        T, S = self._order.shape
        num_rows = self._num_rows.unsqueeze(1)
        place = (self._window + k * len(self._window)) % num_rows.clamp(min=1)
        row = self._order.gather(1, place)
        share = self._counts_much.gather(1, row) * (self._window < num_rows)
        share = share / share.sum(1, keepdim=True).clamp(min=1)
        task = torch.arange(T, device=row.device).unsqueeze(1).expand_as(row)
        at = (task * S + row).flatten()
        for piece, own in zip(torch.split(at, piece_rows), torch.split(share.flatten(), piece_rows), strict=True):
            members, unit = (leaf.flatten(0, 1)[piece] for leaf in (self._members, centroids.unit))
            values = self._values[piece]
            if blanks is not None and values.ndim > 2:
                which = (31 * self._place.flatten()[piece] + 97 * k) % len(blanks)
                values = values.masked_fill(_over(blanks[which], values), 0)
            yield Turn(values, piece // S, members, unit, own)


def _over(blank: Bool[Tensor, "B L"], values: Shaped[Tensor, "B *F"]) -> Bool[Tensor, "B *G"]:
    """The same for every channel: of the tokens [B L D] of a text, of the places [B C h w] of a picture."""
    if values.ndim == 4:
        num_places = values.shape[2] * values.shape[3]
        return blank[:, :num_places].view(len(values), 1, *values.shape[2:])
    return blank[:, : values.shape[1]].unsqueeze(-1)


def _aims(members: Float[Tensor, "B N"], others: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """What the scores should be: alike for each of a row's labels that other rows have."""
    aims = members * (others > 0.5)
    return aims / aims.sum(-1, keepdim=True).clamp(min=1)
