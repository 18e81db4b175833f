"""Which examples to hold out, and what serves those best; neither their order nor their labels' names play a part."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from models.types import Classes, Logits, MultiHot, Rows, Support, Tags, Target

NEVER = -1  # the fold of a row that is not held out
SHARPNESS = (
    0.5,
    1.0,
    2.0,
)  # of scores: a choice must do better than any of the others would by being more, or less, sure


def members_of(support: Support) -> Float[Tensor, "T S N"]:
    """Which labels each real row has."""
    target, mask = support.target, support.rows.mask
    if isinstance(target, Classes):
        return target.one_hot(mask)
    if isinstance(target, MultiHot):
        return (target.values & mask.unsqueeze(-1)).float()
    raise TypeError("this head classifies: its support must carry labels")


def order_key(features: Float[Tensor, "*S D"]) -> Float[Tensor, "*S"]:
    """A number a row by which rows can be sorted, whatever order they came in."""
    arbitrary = torch.arange(1, features.shape[-1] + 1, device=features.device).float().sqrt().frac() - 0.5
    return features @ arbitrary


def places_of(key: Float[Tensor, "T S"], members: Float[Tensor, "T S N"]) -> Int64[Tensor, "T S"]:
    """How many rows of the same label come before each, by a key that only what they hold decides."""
    position = torch.arange(key.shape[1], device=key.device)
    mine, other = key.unsqueeze(2), key.unsqueeze(1)
    is_before = (other < mine) | ((other == mine) & (position < position.unsqueeze(1)))
    return (is_before & ((members @ members.mT) > 0)).sum(-1)


def folds_of(
    places: Int64[Tensor, "T S"],
    members: Float[Tensor, "T S N"],
    names: Bool[Tensor, "T S"] | None,
    num_folds: int | Int64[Tensor, "T 1"],
) -> Int64[Tensor, "T S"]:
    """The fold of each row: the rows of a label take turns; names, and what is alone with its label, are kept."""
    has_others = (members * (members.sum(1, keepdim=True) > 1)).sum(-1) > 0
    may_go = has_others if names is None else has_others & ~names
    return torch.where(may_go, places % num_folds, NEVER)


def without(support: Support, left_out: Bool[Tensor, "T S"]) -> Support:
    """The support without these rows: they are masked, and stay where they are."""
    return replace(support, rows=replace(support.rows, mask=support.rows.mask & ~left_out))


def picked(support: Support, tasks: Int64[Tensor, "R"], is_picked: Bool[Tensor, "R S"], most: int) -> Support:
    """Of each of these tasks, one as often as it is named, the rows that are picked, at most so many; then padding."""
    if isinstance(support.target, Tags):
        raise TypeError("frames are not crossed")
    rows, places = picked_rows(support.rows, tasks, is_picked, most)
    at = tasks.unsqueeze(1), places
    leaves = {name: leaf[tasks if name == "ways" else at] for name, leaf in vars(support.target).items()}
    target: Target = type(support.target)(**leaves)
    return Support(rows, target, None if support.names is None else support.names[at])


def picked_rows(
    rows: Rows, tasks: Int64[Tensor, "R"], is_picked: Bool[Tensor, "R S"], most: int
) -> tuple[Rows, Int64[Tensor, "R P"]]:
    """The rows alone, in their order, and their places."""
    is_picked = is_picked & rows.mask[tasks]
    places = is_picked.int().sort(dim=1, descending=True, stable=True).indices[:, :most]
    at = tasks.unsqueeze(1), places
    inner = None if rows.inner is None else rows.inner[at]
    index = torch.arange(places.numel(), device=places.device)
    return Rows(rows.values[at], is_picked.gather(1, places), index, inner), places


def log_losses(scores: Logits, members: Float[Tensor, "T S N"]) -> Float[Tensor, "K T S"]:
    """Minus the log-probability of each row's labels, at every sharpness."""
    scaled = torch.stack([scores.values * sharpness for sharpness in SHARPNESS])
    one = -scaled.log_softmax(-1).where(members > 0, 0).sum(-1)
    if scores.independent is None:
        return one
    each = -F.logsigmoid(torch.where(members > 0, scaled, -scaled)).sum(-1)
    return torch.where(scores.independent.unsqueeze(-1), each, one)


def is_right(scores: Logits, members: Float[Tensor, "T S N"]) -> Bool[Tensor, "T S"]:
    """Whether the best label is one that the row has; of labels that do not exclude each other, whether each is."""
    one = members.gather(-1, scores.values.argmax(-1, keepdim=True)).squeeze(-1) > 0
    if scores.independent is None:
        return one
    each = ((scores.values > 0) == (members > 0)).all(-1)
    return torch.where(scores.independent.unsqueeze(-1), each, one)


def best_of(
    losses: Float[Tensor, "C K T S"], right: Bool[Tensor, "C T S"], is_held: Bool[Tensor, "T S"], margin: float
) -> Int64[Tensor, "T"]:
    """The choice with the least loss on what was held out; the first, unless another is surely better.

    Surely: right no less often, and by more than `margin` standard errors of the difference. Each choice is as sharp
    as is best for it.
    """
    num = is_held.sum(-1).clamp(min=1)
    losses = losses.where(is_held, 0)
    sharpest = losses.sum(-1).argmin(1)
    own = losses.take_along_dim(sharpest[:, None, :, None], 1).squeeze(1)
    gains = own[0] - own
    mean = gains.sum(-1) / num
    spread = (gains - mean.unsqueeze(-1)).where(is_held, 0).square().sum(-1) / num
    hits = (right & is_held).sum(-1)
    is_better = (mean > margin * (spread / num).sqrt()) & (hits >= hits[0])
    return mean.where(is_better, 0).argmax(0)
