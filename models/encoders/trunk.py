"""A trunk over the features of stems: residual layers, shared by all modalities."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Trunk(nn.Module):
    """Columns of vectors and features of stems -> both as they are, and what the layers made of them, each by its gain.

    The gains say how far a head that shrinks its weights may lean on each part.
    """

    def __init__(self, columns: int = 64, width: int = 128, hidden: int = 256, out: int = 128) -> None:
        super().__init__()
        self.columns = columns
        self.first, self.second = nn.Linear(columns + width, hidden), nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.last = nn.Linear(hidden, out)
        self.log_gain = nn.Parameter(torch.zeros(3))

    def forward(self, rows: Float[Tensor, "*B F"]) -> Float[Tensor, "*B D"]:
        """Features of each row."""
        states = F.relu(self.first(rows))
        states = states + F.relu(self.second(self.norm(states)))
        made = F.normalize(self.last(states), dim=-1)
        plain, learned = rows[..., : self.columns], rows[..., self.columns :]
        own, stem, deep = self.log_gain.exp()
        return torch.cat([own * plain, stem * learned, deep * made], dim=-1)
