"""Dense episodes: each drawer in turn is the support of the others, and every drawing is named among all characters."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.data.episodes import full_batch
from models.data.glyphs import GlyphBatch
from models.learner import Learner
from models.training.objectives.episodic import Metrics, score_loss


class Turns(nn.Module):
    """One pass of the encoder serves as many episodes as there are drawers, and a cosine classifier besides."""

    def __init__(
        self, num_identities: int, width: int, scale: float = 24.0, weight: float = 1.0, margin: float = 0.0
    ) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(num_identities, width) * 0.05)
        self.scale, self.weight, self.margin = scale, weight, margin

    def forward(self, learner: Learner, batch: GlyphBatch) -> Metrics:
        """Fills .grad with the sum of both losses; the encoder and the big classifier run in bf16, the head in fp32."""
        shape = batch.images.shape[:3]
        with torch.autocast(batch.images.device.type, torch.bfloat16):
            features = learner.encoder(batch.images.flatten(0, 2))
            cosine = F.linear(F.normalize(features, dim=-1), F.normalize(self.directions, dim=-1)).float()
        features = features.float()
        turns = self._turns(learner, features.view(*shape, -1))
        identity = batch.identity.unsqueeze(-1).expand(shape).flatten()
        if self.margin:
            cosine = cosine - self.margin * F.one_hot(identity, len(self.directions))
        named = F.cross_entropy(self.scale * cosine, identity)
        torch.autograd.backward(turns + self.weight * named)
        right = (cosine.argmax(1) == identity).float().mean()
        return {"turns": turns.item(), "named": named.item(), "right": right.item()}

    def _turns(self, learner: Learner, features: Float[Tensor, "T N M D"]) -> Float[Tensor, ""]:
        """The loss of one-shot episodes, every drawer being the support once."""
        M = features.shape[2]
        rest = [[m for m in range(M) if m != turn] for turn in range(M)]
        support = torch.cat([features[:, :, turn : turn + 1] for turn in range(M)])
        query = torch.cat([features[:, :, others] for others in rest])
        episode = full_batch(support, query)
        return score_loss(learner.head.predict(learner.head.adapt(episode.support), episode.query), episode.target)
