"""Examples whose label the others contradict."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.heads.crossed import Crossed
from models.heads.held_out import members_of
from models.types import Logits, Support

NOISE = 0.1  # of labels that are taken to be wrong before the examples are looked at
MAX_SUSPECTS = 20


@dataclass(frozen=True)
class Suspect:
    """A row of the support, which label it rather has by the other rows, and how probable that is."""

    row: int
    instead: int
    probability: float


def suspects_of(support: Support, crossed: Crossed) -> list[list[Suspect]]:
    """Of each task at most so many, the surest first: those that are more likely wrong than right."""
    assert isinstance(crossed.scores, Logits)
    chances = crossed.scores.values.float().softmax(-1)
    members = members_of(support)
    own = (chances * members).sum(-1)
    other, instead = chances.masked_fill(members > 0, 0).max(-1)
    wrong = NOISE * other
    probability = (wrong / (wrong + (1 - NOISE) * own).clamp(min=1e-9)).where(crossed.is_held, 0)
    best = probability.topk(min(MAX_SUSPECTS, probability.shape[1]), 1)
    return [_told(*parts) for parts in zip(best.indices, best.values, instead, strict=True)]


def _told(rows: Tensor, probability: Tensor, instead: Tensor) -> list[Suspect]:
    pairs = zip(rows.tolist(), probability.tolist(), strict=True)
    others: list[int] = instead.tolist() if isinstance(instead, torch.Tensor) else []
    return [Suspect(row, others[row], chance) for row, chance in pairs if chance > 0.5]
