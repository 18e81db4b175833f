"""A small model whose encoder can be divided, and the companion that it gets."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.card import Card
from models.checkpoint import Checkpoint
from models.effort import with_companions
from models.heads.ridge import Ridge
from models.inputs.vector import VectorInput
from models.learner import Learner

DIM, WIDTH = 4, 16
OPTIONS: dict[str, Any] = {
    "rule": {"name": "novograd", "rate": 0.01},
    "rank": 2,
    "num_steps": 2,
    "every": 1,
    "num_folds": 2,
    "piece_rows": 5,
}


class Divided(nn.Module):
    """Two layers, of which the second is the tail."""

    def __init__(self) -> None:
        super().__init__()
        self.lower = nn.Sequential(nn.Linear(DIM, WIDTH), nn.Tanh())
        self.upper = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())
        self.num_features = WIDTH

    def forward(self, rows: Float[Tensor, "B X"]) -> Float[Tensor, "B D"]:
        features: Tensor = self.upper(self.lower(rows))
        return features

    def split(self) -> tuple[nn.Module, nn.Module]:
        return self.lower, self.upper


def divided(effort: dict[str, Any] | None = None, name: str = "small", kinds: Any = ("classification",)) -> Checkpoint:
    """The model alone."""
    torch.manual_seed(0)
    told = {"effort": {"high": OPTIONS if effort is None else effort}}
    card = Card(name, "vector", kinds, {"name": "vector"}, {"name": "divided"}, {"name": "ridge"}, "2026-01-01", told)
    return Checkpoint("d" * 64, card, VectorInput(DIM), Learner(Divided(), Ridge()).eval().requires_grad_(False))


def both(effort: dict[str, Any] | None = None) -> list[Checkpoint]:
    """The model and its companion."""
    return list(with_companions(iter([divided(effort)])))
