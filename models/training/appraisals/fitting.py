"""The appraisal of a model: fitted to tasks whose queries are known, none of a test split.

`python -m models.training.appraise MODEL` does it.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.appraisal import LEVELS, Appraisal
from models.appraisal.appraisal import LEAST, LEAST_LEFT, MOST, QUANTILES
from models.heads.head import Head
from models.training.appraisals.judging import Judged, Source, judged, told_by
from models.training.appraisals.tempering import Temperatures, temperatures

APART = "apart: "  # begins the names of groups of another set: each set is judged by what was fitted to the other
MADE = "synthetic"  # begins the names of groups that are made up
NUM_FOLDS = 4  # of groups, where they are all of one set
PLAIN = {"classification": 5, "regression": 3}  # the sign that is plain leave-one-out, in the figure's own unit
DECAY = {"classification": 0.1, "regression": 0.001}  # of what is learned beyond it: data sets differ more than curves
THRESHOLD_DECAY = 0.01  # for which there is nothing plain
RATE = 0.02


def appraised(head: Head, kind: str, source: Source, num_tasks: int, show: Callable[[int], None]) -> Appraisal:
    """An appraisal fitted to tasks of this source, and widened by how far off others are that saw fewer groups."""
    found = []
    for number in range(num_tasks):
        found.append(judged(head, source(number)))
        show(number + 1)
    return appraised_by(kind, found, has_temperature=bool(head.factors) and kind == "classification")


def appraised_by(kind: str, found: Sequence[Judged], *, has_temperature: bool = False) -> Appraisal:
    """The same of tasks that have been judged; with a temperature, if the head can have one and it pays."""
    heat = _temperatures(found) if has_temperature else None
    if heat is not None:
        found = [told_by(*each) for each in zip(found, heat.left_out.tolist(), strict=True)]
    appraisal = fitted(kind, found)
    with torch.no_grad():
        if heat is not None:
            appraisal.heat.load_state_dict(heat.appraisal.heat.state_dict())
            appraisal.warmth.copy_(heat.appraisal.warmth)
        raw = appraisal(stacked(appraisal, found)[0])
        for kept in folds_of({each.group for each in found}):
            other = fitted(kind, [each for each in found if each.group not in kept])
            mine = torch.tensor([each.group in kept for each in found])
            raw[mine] = other(stacked(other, [each for each in found if each.group in kept])[0])
        is_told = _is_told(found)
        _widen(appraisal, [each for each, is_mine in zip(found, is_told, strict=True) if is_mine], raw[is_told])
    return appraisal


def _temperatures(found: Sequence[Judged]) -> Temperatures | None:
    folds = folds_of({each.group for each in found})
    left_out = [torch.tensor([each.group in fold for each in found]) for fold in folds]
    return temperatures(found, _weights(found), left_out, _is_told(found))


def folds_of(groups: set[str]) -> list[set[str]]:
    """What is left out together: a set, where there are two, or every fourth group."""
    apart = {name for name in groups if name.startswith(APART)}
    if apart and apart != groups:
        return [apart, groups - apart]
    return [set(sorted(groups)[first::NUM_FOLDS]) for first in range(min(NUM_FOLDS, len(groups)))]


@torch.enable_grad()
def fitted(kind: str, tasks: Sequence[Judged], num_steps: int = 400) -> Appraisal:
    """Quantiles by their pinball losses, held to plain leave-one-out; every group weighs the same."""
    torch.manual_seed(0)
    appraisal = Appraisal(kind)
    signs, figure, logs = stacked(appraisal, tasks)
    weights, levels, falls = _weights(tasks), torch.tensor(QUANTILES), 1 - torch.tensor(LEVELS)
    first = _begin(appraisal, signs, figure, logs)
    optimiser = torch.optim.Adam(appraisal.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=num_steps)
    for _ in range(num_steps):
        raw = appraisal(signs)
        each = _pinball(figure.unsqueeze(1) - raw[:, : len(QUANTILES)], levels).mean(1)
        if not appraisal.is_regression:
            each = each + _pinball(logs.unsqueeze(2) - raw[:, None, len(QUANTILES) :], falls).mean((1, 2))
        loss = (each * weights).sum() / weights.sum() + _beyond(appraisal, first)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return appraisal


@torch.no_grad()
def _begin(appraisal: Appraisal, signs: Tensor, figure: Tensor, logs: Tensor) -> Tensor:
    """Plain leave-one-out, and how far off it is; the weights to be held to."""
    appraisal.mean.copy_(signs.mean(0))
    appraisal.spread.copy_(signs.std(0).clamp(min=0.05))
    plain, num, line = PLAIN[appraisal.kind], len(QUANTILES), appraisal.line
    line.weight.zero_()
    line.weight[:num, plain] = appraisal.spread[plain]
    line.bias[:num] = appraisal.mean[plain] + (figure - signs[:, plain]).quantile(torch.tensor(QUANTILES))
    if not appraisal.is_regression:
        line.bias[num:] = logs.mean(0).quantile(1 - torch.tensor(LEVELS))
    return line.weight.clone()


def _beyond(appraisal: Appraisal, first: Tensor) -> Tensor:
    """The price of what is learned beyond plain leave-one-out."""
    is_quantile = torch.arange(len(first)) < len(QUANTILES)
    prices = torch.where(is_quantile, DECAY[appraisal.kind], THRESHOLD_DECAY).unsqueeze(1)
    curved = appraisal.out.weight.square() + 0.1 * appraisal.hidden.weight.square().sum() / appraisal.out.weight.numel()
    price: Tensor = (prices * (appraisal.line.weight - first).square()).sum() + (prices * curved).sum()
    return price


def stacked(
    appraisal: Appraisal, tasks: Sequence[Judged]
) -> tuple[Float[Tensor, "T F"], Float[Tensor, "T"], Float[Tensor, "T P"]]:
    """Signs, figures in the appraisal's own unit, and log-probabilities."""
    told = torch.tensor([each.figure for each in tasks])
    figure = (1 - told + LEAST_LEFT).log() if appraisal.is_regression else told.clamp(LEAST, MOST).logit()
    return torch.stack([each.signs for each in tasks]), figure, torch.stack([each.logs for each in tasks])


def _pinball(short: Tensor, levels: Tensor) -> Tensor:
    return torch.maximum(levels * short, (levels - 1) * short)


def _widen(appraisal: Appraisal, tasks: Sequence[Judged], raw: Float[Tensor, "T C"]) -> None:
    """So that intervals and sets hold as often as they say, in each bin of shots; every group weighs the same."""
    signs, figure, logs = stacked(appraisal, tasks)
    which, weights = appraisal.bins(signs), _weights(tasks)
    low, _, high = appraisal.ends(raw)
    outside = torch.maximum(low - figure, figure - high)
    for number in range(len(appraisal.widths)):
        mine = which == number
        if mine.sum() < 20:  # too few to say: as the others together
            mine = torch.ones_like(mine)
        appraisal.widths[number] = weighted_quantile(outside[mine], weights[mine], 0.9 * (1 + 1 / int(mine.sum())))
        for place, level in enumerate(LEVELS if not appraisal.is_regression else ()):
            short = (logs - raw[:, None, len(QUANTILES) + place])[mine]
            each = weights[mine].unsqueeze(1).expand_as(short) / short.shape[1]
            appraisal.shifts[number, place] = weighted_quantile(short.flatten(), each.flatten(), 1 - level)


def _is_told(tasks: Sequence[Judged]) -> Bool[Tensor, "T"]:
    """By which tasks widths are told: by those that were not made up, where there are any."""
    is_real = torch.tensor([not each.group.startswith(MADE) for each in tasks])
    return is_real if is_real.any() else torch.ones_like(is_real)


def _weights(tasks: Sequence[Judged]) -> Float[Tensor, "T"]:
    counts: dict[str, int] = {}
    for each in tasks:
        counts[each.group] = counts.get(each.group, 0) + 1
    return torch.tensor([1 / counts[each.group] for each in tasks])


def weighted_quantile(values: Float[Tensor, "B"], weights: Float[Tensor, "B"], level: float) -> float:
    """The least value that so much of the weight does not exceed."""
    order = values.argsort()
    share = weights[order].cumsum(0) / weights.sum()
    return float(values[order][min(int((share < level).sum()), len(order) - 1)])
