"""The appraisal of a model: fitted to tasks whose queries are known, none of a test split.

`python -m models.training.appraise MODEL` does it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Generator, Tensor

from models.appraisal import LEVELS, Appraisal, Suspect, signs_of, suspects_of
from models.appraisal.appraisal import LEAST, LEAST_LEFT, MOST, QUANTILES
from models.data.episodes import generator
from models.heads.crossed import crossed, num_folds
from models.heads.head import Head, classes_of
from models.types import Classes, Gaussian, Logits, Rows, Support, Values, full_rows

MAX_SUPPORT = 400  # rows
NOISY = 0.1  # of tasks of three examples a label or more; and of their labels, which are then wrong
APART = "apart: "  # begins the names of groups that intervals are widened on; else it is every third
LOG_LEAST = -12.0
NUM_POINTS = 33  # of the distribution of a task's right labels' log-probabilities


@dataclass(frozen=True)
class Asked:
    """A task and queries to it whose answers are known; tasks of one group are not independent of each other."""

    group: str
    support: Support
    query: Rows
    truth: Int64[Tensor, "Q"] | Float[Tensor, "Q O"]
    wrong: Sequence[int] = ()  # rows of the support whose labels are not theirs


@dataclass(frozen=True)
class Judged:
    """What a support shows, and what came of its task: its figure, and of right labels the log-probabilities."""

    group: str
    signs: Float[Tensor, "F"]
    figure: float  # accuracy, or R2
    logs: Float[Tensor, "P"]
    held_out: float  # the same figure by plain leave-one-out, not a number where nothing can be left out
    answers: Float[Tensor, "Q N"]  # log-probabilities of all labels, of which
    truth: Shaped[Tensor, "Q *O"]  # these are right
    accused: Sequence[Suspect] = ()


Source = Callable[[int], Asked]  # the task of this number


def judged(head: Head, asked: Asked) -> Judged:
    """Adapt, look at the support, then at the queries."""
    support, target = asked.support, asked.support.target
    with torch.inference_mode():
        params = head.adapt(support)
        shots = [len(target.values[0])] if isinstance(target, Values) else _shots(support)
        across = crossed(head, support, num_folds(shots))
        signs = signs_of(support, head.predict(params, support.rows), across)[0]
        scores = head.predict(params, asked.query)
    if isinstance(scores, Gaussian):
        assert isinstance(across.scores, Gaussian) and isinstance(target, Values)
        figure = r2(asked.truth, scores.mean[0])
        held = r2(target.values[0], across.scores.mean[0])
        return Judged(asked.group, signs, figure, torch.zeros(0), held, scores.mean[0], asked.truth)
    assert isinstance(scores, Logits) and isinstance(across.scores, Logits) and isinstance(target, Classes)
    logs = scores.values[0].float().log_softmax(-1)
    right = logs.argmax(-1) == asked.truth
    own = logs.gather(1, asked.truth.unsqueeze(1).long()).squeeze(1).clamp(min=LOG_LEAST)
    points = torch.quantile(own.where(~right, 0.0), torch.linspace(0, 1, NUM_POINTS))
    hits = (across.scores.values[0].argmax(-1) == target.index[0])[across.is_held[0]]
    accused = suspects_of(support, across)[0]
    figure, held = (float(each.float().mean()) for each in (right, hits))
    return Judged(asked.group, signs, figure, points, held, logs, asked.truth, accused)


def r2(truth: Tensor, answers: Tensor) -> float:
    """The share of the variance about the mean that is explained, from -1 up; the mean over outputs."""
    unexplained = (truth - answers).square().sum(0) / (truth - truth.mean(0)).square().sum(0).clamp(min=1e-12)
    return float((1 - unexplained).clamp(min=-1).mean())


def _shots(support: Support) -> list[int]:
    return [int(torch.bincount(classes_of(support).index[0]).max())]


def fit(appraisal: Appraisal, tasks: Sequence[Judged], apart: Sequence[Judged], num_steps: int = 1200) -> None:
    """Quantiles by their pinball losses on `tasks`; then what they lack on the tasks `apart`, of other groups."""
    signs, figure, logs = stacked(appraisal, tasks)
    appraisal.mean.copy_(signs.mean(0))
    appraisal.spread.copy_(signs.std(0).clamp(min=0.05))
    optimiser = torch.optim.AdamW(appraisal.parameters(), lr=0.02, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=num_steps)
    levels, falls = torch.tensor(QUANTILES), 1 - torch.tensor(LEVELS)
    for _ in range(num_steps):
        raw = appraisal(signs)
        loss = _pinball(figure.unsqueeze(1) - raw[:, : len(QUANTILES)], levels).mean()
        if not appraisal.is_regression:
            short = logs.unsqueeze(2) - raw[:, None, len(QUANTILES) :]
            loss = loss + _pinball(short, falls).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        _widen(appraisal, apart)


def stacked(
    appraisal: Appraisal, tasks: Sequence[Judged]
) -> tuple[Float[Tensor, "T F"], Float[Tensor, "T"], Float[Tensor, "T P"]]:
    """Signs, figures in the appraisal's own unit, and log-probabilities."""
    told = torch.tensor([each.figure for each in tasks])
    figure = (1 - told + LEAST_LEFT).log() if appraisal.is_regression else told.clamp(LEAST, MOST).logit()
    return torch.stack([each.signs for each in tasks]), figure, torch.stack([each.logs for each in tasks])


def _pinball(short: Tensor, levels: Tensor) -> Tensor:
    return torch.maximum(levels * short, (levels - 1) * short)


def _widen(appraisal: Appraisal, apart: Sequence[Judged]) -> None:
    """So that intervals and sets hold as often as they say, in each bin of shots; every group weighs the same."""
    signs, figure, logs = stacked(appraisal, apart)
    raw, which, weights = appraisal(signs), appraisal.bins(signs), _weights(apart)
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


@dataclass(frozen=True)
class Pool:
    """Rows as an encoder sees them, and of each group the rows of each of its classes: what tasks are drawn from."""

    rows: Shaped[Tensor, "B *F"]
    groups: Mapping[str, Sequence[Int64[Tensor, "_"]]]
    max_shots: int = 20
    max_queries: int = 15
    seed: int = 0
    noisy: float = NOISY  # share of tasks with wrong labels

    def __call__(self, number: int) -> Asked:
        """The task of this number: ways, shots and how even they are vary, and some labels are wrong."""
        draw = generator(self.seed, number)
        group = list(self.groups)[number % len(self.groups)]
        classes = self.groups[group]
        most = min(20, len(classes))
        ways = 2 + int(torch.randint(max(1, most - 1), (), generator=draw))
        chosen = torch.randperm(len(classes), generator=draw)[:ways].tolist()
        shots = shot_counts(draw, ways, self.max_shots)
        support, query = _divided([classes[c] for c in chosen], shots, self.max_queries, draw)
        truth = torch.cat([torch.full((len(rows),), way) for way, rows in enumerate(query)])
        taught = torch.cat([torch.full((len(rows),), way) for way, rows in enumerate(support)])
        told = mistaken(taught, ways, draw, self.noisy)
        target = Classes(told.unsqueeze(0), torch.ones(1, ways, dtype=torch.bool))
        rows, asked = (self.rows[torch.cat(parts)].unsqueeze(0) for parts in (support, query))
        wrong = (told != taught).nonzero().flatten().tolist()
        return Asked(group, Support(full_rows(rows), target), full_rows(asked), truth, wrong)


def shot_counts(draw: Generator, ways: int, most: int) -> list[int]:
    """Examples of each way: the same of all in two tasks of three."""
    most = max(1, min(most, MAX_SUPPORT // ways))
    middle = round(float(most ** torch.rand((), generator=draw)))
    if float(torch.rand((), generator=draw)) < 2 / 3:
        return [middle] * ways
    spread = (2 * torch.rand(ways, generator=draw) - 1).exp2().tolist()
    return [min(most, max(1, round(middle * each))) for each in spread]


def _divided(
    classes: Sequence[Tensor], shots: Sequence[int], max_queries: int, draw: Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Of each class so many rows to learn from, at most all but two, and others to ask about."""
    support, query = [], []
    for rows, wanted in zip(classes, shots, strict=True):
        order = rows[torch.randperm(len(rows), generator=draw)]
        num = max(1, min(wanted, len(rows) - 2))
        support.append(order[:num])
        query.append(order[num : num + max_queries])
    return support, query


def mistaken(taught: Tensor, ways: int, draw: Generator, share: float = NOISY) -> Tensor:
    """In this share of tasks, a tenth of the labels are others."""
    if len(taught) < 3 * ways or float(torch.rand((), generator=draw)) > share:
        return taught
    is_wrong = torch.rand(len(taught), generator=draw) < NOISY
    other = (taught + 1 + torch.randint(ways - 1, taught.shape, generator=draw)) % ways
    wrong = torch.where(is_wrong, other, taught)
    return wrong if int((torch.bincount(wrong, minlength=ways) > 0).sum()) == ways else taught


def appraised(head: Head, kind: str, source: Source, num_tasks: int, show: Callable[[int], None]) -> Appraisal:
    """An appraisal fitted to tasks of this source; every third group is kept apart for its intervals."""
    torch.manual_seed(0)
    found = []
    for number in range(num_tasks):
        found.append(judged(head, source(number)))
        show(number + 1)
    groups = sorted({each.group for each in found})
    kept = {name for name in groups if name.startswith(APART)} or (set(groups[::3]) if len(groups) > 2 else set())
    appraisal = Appraisal(kind)
    tasks = [each for each in found if each.group not in kept] if kept else found[: 2 * len(found) // 3]
    apart = [each for each in found if each.group in kept] if kept else found[2 * len(found) // 3 :]
    fit(appraisal, tasks, apart)
    return appraisal
