"""What a support shows of how good its task will be: a few numbers a task, in no unit of the task's own."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.heads.crossed import Crossed
from models.heads.held_out import members_of
from models.types import Gaussian, Logits, Scores, Support, Values

NUM_CLASS_SIGNS = 18
NUM_VALUE_SIGNS = 9
LEAST = -12.0  # a log-probability that counts as never
TINY = 1e-6


def signs_of(support: Support, own: Scores, crossed: Crossed) -> Float[Tensor, "T F"]:
    """Of the support's scores by the task's own params, which have seen it, and by params that have not."""
    if isinstance(support.target, Values):
        assert isinstance(own, Gaussian) and isinstance(crossed.scores, Gaussian)
        return _value_signs(support, support.target, own, crossed.scores, crossed.is_held)
    assert isinstance(own, Logits) and isinstance(crossed.scores, Logits)
    return _class_signs(support, own, crossed.scores, crossed.is_held)


def _class_signs(support: Support, own: Logits, held: Logits, is_held: Bool[Tensor, "T S"]) -> Float[Tensor, "T F"]:
    members, mask = members_of(support), support.rows.mask
    shots, is_way = members.sum(1), members.sum(1) > 0
    num_ways, num_held = is_way.sum(1).float(), is_held.sum(1).float()
    fewest = shots.masked_fill(~is_way, torch.inf).amin(1)
    chance, margin = _chance(held, members)
    hits = ((margin > 0) & is_held).sum(1)
    odds = torch.logit((hits + 0.5) / (num_held + 1)) * (num_held > 0)
    sizes = [(mask.sum(1) / num_ways).log1p(), fewest.log1p(), num_ways.log(), num_held.log1p()]
    parts = [*_told(held, chance, margin, is_held), *_told(own, *_chance(own, members), mask)]
    return torch.stack([*sizes, (num_held > 0).float(), odds, *parts], 1)


def _chance(scores: Logits, members: Float[Tensor, "T S N"]) -> tuple[Float[Tensor, "T S"], Float[Tensor, "T S"]]:
    """The log-probability of each row's label, and how far it is ahead of the best of the others."""
    logs = scores.values.float().log_softmax(-1).clamp(min=LEAST)
    chance = (logs * members).sum(-1)
    return chance, chance - logs.masked_fill(members > 0, LEAST).amax(-1)


def _told(
    scores: Logits, chance: Float[Tensor, "T S"], margin: Float[Tensor, "T S"], counts: Bool[Tensor, "T S"]
) -> list[Float[Tensor, "T"]]:
    probability = chance.exp()
    mean = _mean(probability, counts)
    spread = _mean((probability - mean.unsqueeze(1)).square(), counts).sqrt()
    sure = _mean(scores.values.float().softmax(-1).amax(-1), counts)
    ahead = _mean((margin / 4).tanh(), counts)
    barely = _mean((margin - 1).sigmoid(), counts)
    return [mean, _mean(chance, counts), spread, sure, ahead, barely]


def _value_signs(
    support: Support, target: Values, own: Gaussian, held: Gaussian, is_held: Bool[Tensor, "T S"]
) -> Float[Tensor, "T F"]:
    truth, mask = target.values, support.rows.mask
    num, num_held = mask.sum(1).float(), is_held.sum(1).float()
    spread = _spread(truth, mask)
    error = (held.mean - truth).square().mean(-1)
    surprise = ((held.mean - truth).square() / (held.variance + TINY * spread)).mean(-1)
    parts = [
        (_mean(error, is_held) / spread.mean((1, 2)) + 1e-3).log() * (num_held > 0),
        (_mean(held.variance.mean(-1), is_held) / spread.mean((1, 2)) + 1e-3).log() * (num_held > 0),
        (_mean(surprise, is_held) + 1e-2).log() * (num_held > 0),
        (_mean((own.mean - truth).square().mean(-1), mask) / spread.mean((1, 2)) + 1e-3).log(),
        (_mean(own.variance.mean(-1), mask) / spread.mean((1, 2)) + 1e-3).log(),
        (_mean(error.sqrt(), is_held).square() / spread.mean((1, 2)) + 1e-3).log() * (num_held > 0),
    ]
    return torch.stack([num.log1p(), num_held.log1p(), (num_held > 0).float(), *parts], 1)


def _spread(truth: Float[Tensor, "T S O"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T 1 O"]:
    """The variance of each target, or the square of its size where it does not vary."""
    counts = mask.sum(1).clamp(min=1)[:, None, None]
    real = truth * mask.unsqueeze(-1)
    mean = real.sum(1, keepdim=True) / counts
    variance = ((truth - mean) * mask.unsqueeze(-1)).square().sum(1, keepdim=True) / counts
    return variance + TINY * real.square().sum(1, keepdim=True) / counts + torch.finfo(torch.float32).tiny


def _mean(values: Float[Tensor, "T S"], counts: Bool[Tensor, "T S"]) -> Float[Tensor, "T"]:
    """Over the rows that count; nothing of none."""
    return values.where(counts, 0).sum(1) / counts.sum(1).clamp(min=1)
