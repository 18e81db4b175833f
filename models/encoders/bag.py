"""Texts as bags of tokens: a base's embeddings, frozen, of which those that matter weigh more."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from models.encoders.minilm import MiniLM


class Bag(nn.Module):
    """Token ids -> features: the mean of what the base's first layer is given, by learned weights; made narrow.

    No attention: a hundredth of the cost of a sentence encoder, and blind to the order of words. `words_kept` is the
    share of a text's tokens that are seen in training.
    """

    def __init__(
        self,
        width: int = 128,
        base: str | None = "minilm",
        *,
        words_kept: float = 0.85,
        sha256: str | None = None,
        sizes: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        self.base = MiniLM(base, output="tokens", last=0, sha256=sha256, sizes=sizes)
        self.base.max_tokens = 0  # no padding behind a piece's longest text
        states = self.base.words.shape[1]
        self.words_kept = words_kept
        self.worth, self.narrow = nn.Linear(states, 1), nn.Linear(states, width)

    def forward(self, tokens: Int[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """Features of each text."""
        states = self.base(tokens)
        seen = F.pad(tokens[:, 1:] != 0, (1, 0), value=True)  # a text of nothing must not be a mean of nothing
        if self.training:
            seen = seen & (torch.rand(seen.shape, device=seen.device) < self.words_kept).index_fill(
                1, torch.zeros(1, dtype=torch.long, device=seen.device), True
            )
        weights = self.worth(states).squeeze(-1).masked_fill(~seen, -torch.inf).softmax(-1)
        features: Tensor = self.narrow((weights.unsqueeze(1) @ states).squeeze(1))
        return features
