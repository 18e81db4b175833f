"""Sentences of one intent gather round their centroid: episodes of many intents, the encoder alone is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from models.data.episodes import generator
from models.inputs.text import TextInput
from models.learner import Learner
from models.training.objectives.episodic import Metrics

MAX_TOKENS = 1536  # in one pass of the encoder
ALONE = 0.3  # of the episodes with names, those whose centroids are the names alone


@dataclass(frozen=True)
class Intents:
    """Token rows of one episode: of N intents R texts each, the first `shots` of them shown; then perhaps N names."""

    rows: Int[Tensor, "B L"]
    num_ways: int
    shots: int
    named: bool


@dataclass(frozen=True)
class IntentEpisodes:
    """An episode a step, of one set: so many of its intents, with their names every second time."""

    rows: Int[Tensor, "B L"]
    sets: Sequence[Sequence[tuple[int, Int64[Tensor, "M"]]]]  # of each intent the row of its name, and those of texts
    max_ways: int = 48
    texts: int = 5  # of an intent
    seed: int = 0

    def __call__(self, step: int) -> Intents:
        """The episode of one step; a set is drawn by the root of its size."""
        draws = generator(self.seed, step)
        sizes = torch.tensor([len(each) for each in self.sets]).float().sqrt()
        chosen = self.sets[int(torch.multinomial(sizes, 1, generator=draws))]
        intents = [chosen[place] for place in torch.randperm(len(chosen), generator=draws)[: self.max_ways].tolist()]
        texts = [
            members[torch.randperm(len(members), generator=draws)[: self.texts]]
            for _, members in intents
            if len(members) >= self.texts
        ]
        names = torch.tensor([name for name, members in intents if len(members) >= self.texts])
        named = torch.rand((), generator=draws).item() < 0.5
        alone = named and torch.rand((), generator=draws).item() < ALONE
        shots = 0 if alone else int(torch.randint(1, self.texts, (), generator=draws))
        return Intents(self.rows[torch.cat([*texts, names] if named else texts)], len(texts), shots, named)


class Gathering(nn.Module):
    """Cross-entropy of cosines with centroids of the texts shown, and of the names; its scale is learned."""

    def __init__(self, inputs: TextInput, scale: float = 20.0, in_bfloat16: bool = True) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.inputs, self.in_bfloat16 = inputs, in_bfloat16

    def forward(self, learner: Learner, episode: Intents) -> Metrics:
        """Fill the gradients of the encoder."""
        N = episode.num_ways
        features = F.normalize(encoded(learner.encoder, self.inputs, episode.rows, self.in_bfloat16), dim=-1)
        names = features[-N:] if episode.named else features.new_zeros(N, features.shape[1])
        texts: Float[Tensor, "N R D"] = features[: -N if episode.named else None].view(N, -1, features.shape[1])
        centroids = F.normalize(texts[:, : episode.shots].sum(1) + names, dim=-1)
        cosines = texts[:, episode.shots :].flatten(0, 1) @ centroids.mT
        truth = torch.arange(N, device=cosines.device).repeat_interleave(texts.shape[1] - episode.shots)
        loss = F.cross_entropy(self.log_scale.exp() * cosines, truth)
        torch.autograd.backward(loss)
        return {"loss": loss.item(), "accuracy": (cosines.argmax(1) == truth).float().mean().item()}


def encoded(
    encoder: nn.Module, inputs: TextInput, rows: Int[Tensor, "B L"], in_bfloat16: bool = True
) -> Float[Tensor, "B D"]:
    """Features of token rows, in pieces by length, as they are served; computed in bfloat16 where that is wished."""
    parts, places = [], []
    with torch.autocast(rows.device.type, torch.bfloat16, enabled=in_bfloat16):
        for where, piece in inputs.cut(rows.cpu().numpy(), MAX_TOKENS, mixed=True):
            parts.append(encoder(torch.from_numpy(np.ascontiguousarray(piece)).to(rows.device)).float())
            places.append(where)
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(places))).to(rows.device)]
