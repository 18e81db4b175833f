"""Transfer: which earlier tasks' examples predict a new task's own ones, each held out, better than the others do.

What moves is examples, not params: of the same labels in a classification, of the same targets in a regression. Added
to the support they make a posterior the prior of the next for every head that Bayes' rule is exact for, and a better
mean, layer or set of neighbours for the others; nothing of a head has to be known.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from models.heads.head import Head
from models.heads.held_out import NEVER, order_key, places_of, without
from models.types import Classes, Gaussian, Logits, Scores, Support, Values, full_rows

MAX_FOLDS = 3  # of a classification: shots are few
MAX_VALUE_FOLDS = 6
MOST = 4.0  # a row says no more than that in favour or against, in nats: one must not outvote all others
DOUBT = math.log(10)  # how much likelier its examples must be with the others, for each of the choices that there are
TINY = 1e-12


@dataclass(frozen=True)
class Lesson:
    """Features and what they were labelled with: classes of the new task, or values."""

    rows: Shaped[Tensor, "R *F"]
    target: Shaped[Tensor, "R *O"]
    names: Bool[Tensor, "R"] | None = None

    def with_others(self, others: Sequence["Lesson"]) -> "Lesson":
        """These rows, and behind them those of others, of which none is the name of a label."""
        if not others:
            return self
        rows = torch.cat([self.rows, *(other.rows for other in others)])
        names = None
        if self.names is not None:
            names = torch.cat([self.names, self.names.new_zeros(len(rows) - len(self.rows))])
        return Lesson(rows, torch.cat([self.target, *(other.target for other in others)]), names)


def support_of(lesson: Lesson, num_ways: int) -> Support:
    """The lesson as the support of a task."""
    rows, target = full_rows(lesson.rows.unsqueeze(0)), lesson.target.unsqueeze(0)
    names = None if lesson.names is None else lesson.names.unsqueeze(0)
    if target.is_floating_point():
        return Support(rows, Values(target), names)
    return Support(rows, Classes(target, target.new_ones(1, num_ways, dtype=torch.bool)), names)


def choose(head: Head, own: Lesson, others: Sequence[Lesson], num_ways: int) -> Generator[None, None, list[int]]:
    """Which of the other tasks to learn from, in order of what they have to say; none unless that is surely of use.

    One by one, and all together that were of use one by one: the choice that makes the task's own examples likeliest,
    each predicted without itself. Of regressions all together too: each alone may have too little to say.
    """
    folds = _folds(own)
    alone = yield from _told(head, own, [], folds, num_ways)
    choices = [[place] for place in range(len(others))]
    if len(others) > 1 and own.target.is_floating_point():
        choices.append(list(range(len(others))))
    doubt, gains = DOUBT + math.log(max(1, len(choices))), []
    for choice in choices:
        gains.append((yield from _gain(head, own, [others[place] for place in choice], folds, num_ways, alone)))
    useful = sorted((place for place in range(len(others)) if gains[place] > doubt), key=lambda place: -gains[place])
    if 1 < len(useful) < len(others):
        choices.append(useful)
        gains.append((yield from _gain(head, own, [others[place] for place in useful], folds, num_ways, alone)))
    best = max(range(len(choices)), key=lambda place: gains[place], default=None)
    if best is None or gains[best] <= doubt:
        return []
    return sorted(choices[best], key=lambda place: -gains[place])


def _gain(
    head: Head,
    own: Lesson,
    others: Sequence[Lesson],
    folds: Int64[Tensor, "S"],
    num_ways: int,
    alone: Float[Tensor, "S"],
) -> Generator[None, None, float]:
    """How many nats likelier the others make the task's own examples."""
    told = yield from _told(head, own, others, folds, num_ways)
    if own.target.is_floating_point():
        guess = _usual(own, torch.cat([other.target for other in others]))
    else:
        guess = torch.full_like(told, -math.log(num_ways))
    least = max(alone, guess, key=lambda each: each.where(folds != NEVER, 0).sum().item())
    return float((told - least).clamp(-MOST, MOST).where(folds != NEVER, 0).sum())


def _told(
    head: Head, own: Lesson, others: Sequence[Lesson], folds: Int64[Tensor, "S"], num_ways: int
) -> Generator[None, None, Float[Tensor, "S"]]:
    """Log-probability of each example, adapted to all but its fold; where nothing is known of a label, by guessing."""
    num_folds, lesson = int(folds.max()) + 1, own.with_others(others)
    found = own.rows.new_full((len(own.rows),), -torch.inf, dtype=torch.float32)
    if own.target.is_floating_point() and num_folds == 1 and not others:
        return found
    whole, rows = support_of(lesson, num_ways), full_rows(own.rows.unsqueeze(0))
    for fold in range(num_folds):
        is_held = folds == fold
        left_out = torch.cat([is_held, is_held.new_zeros(len(lesson.rows) - len(is_held))])
        support = without(whole, left_out.unsqueeze(0))
        params = head.start(support)
        for params in head.steps(support, params):  # noqa: B007, B020 - the last is the answer
            yield
        found = torch.where(is_held, _chances(head.predict(params, rows), own, lesson, left_out), found)
    return found


def _chances(scores: Scores, own: Lesson, told: Lesson, left_out: Bool[Tensor, "R"]) -> Float[Tensor, "S"]:
    """Log-probability of each example by these scores, of who was told all but what is left out."""
    if isinstance(scores, Gaussian):
        variance = scores.variance[0].clamp(min=TINY)
        miss = (own.target - scores.mean[0]).square() / variance
        return -(miss + variance.log() + math.log(2 * math.pi)).sum(-1) / 2
    assert isinstance(scores, Logits)
    kept = told.target.masked_fill(left_out, NEVER)
    is_known = (kept == own.target.unsqueeze(1)).any(-1)
    chance = scores.values[0].log_softmax(-1).gather(-1, own.target.unsqueeze(-1)).squeeze(-1)
    return torch.where(is_known, chance, -math.log(scores.values.shape[-1]))


def _usual(own: Lesson, values: Float[Tensor, "R O"]) -> Float[Tensor, "S"]:
    """Log-probability of the targets by the level and the spread of those of others alone, whatever the inputs."""
    variance = values.var(0, correction=0).clamp(min=TINY)
    miss = (own.target - values.mean(0)).square() / variance
    return -(miss + variance.log() + math.log(2 * math.pi)).sum(-1) / 2


def _folds(own: Lesson) -> Int64[Tensor, "S"]:
    """The fold of each row, the rows of a label taking turns; names are kept.

    What is alone with its label is held out too, as others may know of it.
    """
    is_value = own.target.is_floating_point()
    label = torch.zeros(len(own.rows), dtype=torch.int64, device=own.rows.device) if is_value else own.target
    is_real = torch.ones_like(label, dtype=torch.bool) if own.names is None else ~own.names
    members = (F.one_hot(label) * is_real.unsqueeze(1)).float().unsqueeze(0)
    place = places_of(order_key(own.rows.flatten(1).float()).unsqueeze(0), members)[0]
    return torch.where(is_real, place % (MAX_VALUE_FOLDS if is_value else MAX_FOLDS), NEVER)
