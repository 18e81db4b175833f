"""Sentences of one intent gather round their centroid: intents of all sets at once, the encoder alone is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from models.data.episodes import generator
from models.encoders.minilm import MiniLM
from models.inputs.text import TextInput
from models.learner import Learner
from models.training.objectives.episodic import Metrics
from models.training.objectives.states import States

MAX_TOKENS = 1536  # in one pass of the encoder
NAMES = 0.2  # of the loss: texts told apart by the names alone
LEAST_WAYS = 8


@dataclass(frozen=True)
class Intents:
    """Of each set the rows of some intents' texts and names; the first `shots` texts teach the others, and back."""

    sets: Sequence[tuple[Int64[Tensor, "_ R"], Int64[Tensor, "_"]]]
    shots: int
    named: bool
    seed: int


@dataclass(frozen=True)
class IntentEpisodes:
    """Every step some intents of every set, by the root of their number; centroids have names every second time."""

    sets: Sequence[Sequence[tuple[int, Int64[Tensor, "_"]]]]  # of each intent the row of its name, and those of texts
    max_ways: int = 100
    texts: int = 4  # of an intent
    seed: int = 0

    def __call__(self, step: int) -> Intents:
        """The episode of one step."""
        draws = generator(self.seed, step)
        pools = [[each for each in pool if len(each[1]) >= self.texts] for pool in self.sets]
        whole = sum(len(pool) ** 0.5 for pool in pools)
        drawn = [self._drawn(pool, int(self.max_ways * len(pool) ** 0.5 / whole), draws) for pool in pools if pool]
        shots, named = torch.randint(1, self.texts, (), generator=draws), torch.rand((), generator=draws) < 0.5
        return Intents(drawn, int(shots), bool(named), step)

    def _drawn(
        self, pool: Sequence[tuple[int, Int64[Tensor, "_"]]], ways: int, draws: torch.Generator
    ) -> tuple[Int64[Tensor, "N R"], Int64[Tensor, "N"]]:
        order = torch.randperm(len(pool), generator=draws)[: max(LEAST_WAYS, ways)].tolist()
        texts = [pool[place][1] for place in order]
        some = [rows[torch.randperm(len(rows), generator=draws)[: self.texts]] for rows in texts]
        return torch.stack(some), torch.tensor([pool[place][0] for place in order])


class Gathering(nn.Module):
    """Cross-entropy of cosines with centroids of a set's other texts, and with its names; its scale is learned.

    What the frozen lower layers make of a text is made once. In training some tokens of it are blank.
    """

    def __init__(
        self, inputs: TextInput, rows: Int[Tensor, "B L"], below: int, scale: float = 20.0, in_bfloat16: bool = True
    ) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.states = States(inputs, rows, below, in_bfloat16)

    def forward(self, learner: Learner, episode: Intents) -> Metrics:
        """Fill the gradients of the encoder."""
        assert isinstance(learner.encoder, MiniLM)
        rows = torch.cat([part for texts, names in episode.sets for part in (texts.flatten(), names)]).cpu()
        features = F.normalize(self.states.through(learner.encoder, rows, episode.seed), dim=-1)
        sizes = [texts.numel() + len(names) for texts, names in episode.sets]
        found = [
            self._of_set(part, len(names), episode)
            for part, (_, names) in zip(torch.split(features, sizes), episode.sets, strict=True)
        ]
        loss = torch.stack([each for each, _ in found]).mean()
        torch.autograd.backward(loss)
        return {"loss": loss.item(), "accuracy": float(np.mean([right for _, right in found]))}

    def _of_set(self, features: Float[Tensor, "B D"], ways: int, episode: Intents) -> tuple[Float[Tensor, ""], float]:
        """The loss of one set, and the share that is right."""
        texts, names = features[:-ways].view(ways, -1, features.shape[1]), features[-ways:]
        first, others = texts[:, : episode.shots], texts[:, episode.shots :]
        by_names, _ = self._told(texts, names)
        (one, right), (other, also_right) = (
            self._told(asked, F.normalize(shown.sum(1) + episode.named * names, dim=-1))
            for shown, asked in ((first, others), (others, first))
        )
        return NAMES * by_names + (1 - NAMES) / 2 * (one + other), (right + also_right) / 2

    def _told(self, texts: Float[Tensor, "N R D"], centroids: Float[Tensor, "N D"]) -> tuple[Float[Tensor, ""], float]:
        cosines = texts.flatten(0, 1) @ centroids.mT
        truth = torch.arange(len(centroids), device=cosines.device).repeat_interleave(texts.shape[1])
        right = (cosines.argmax(1) == truth).float().mean().item()
        return F.cross_entropy(self.log_scale.exp() * cosines, truth), right


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
