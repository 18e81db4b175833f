"""What a support shows of its task, and what came of it: adapted, looked at, and asked queries that are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from models.appraisal import Suspect, signs_of, suspects_of
from models.heads.crossed import Folds, crossed
from models.heads.head import Head, classes_of
from models.types import Classes, Gaussian, Logits, Rows, Support, Values

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
        across = crossed(head, support, Folds.of([shots]))
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
    hits = (across.scores.values[0].argmax(-1) == target.index[0])[across.is_held[0]]
    accused = suspects_of(support, across)[0]
    figure, held = (float(each.float().mean()) for each in (right, hits))
    return Judged(asked.group, signs, figure, _points(logs, asked.truth), held, logs, asked.truth, accused)


def told_by(each: Judged, temperature: float) -> Judged:
    """The same task, its logits divided by a temperature."""
    logs = (each.answers / temperature).log_softmax(-1)
    return replace(each, answers=logs, logs=_points(logs, each.truth))


def _points(logs: Float[Tensor, "Q N"], truth: Int64[Tensor, "Q"]) -> Float[Tensor, "P"]:
    """The distribution of right labels' log-probabilities; of those that are the best, nothing is asked."""
    own = logs.gather(1, truth.unsqueeze(1).long()).squeeze(1).clamp(min=LOG_LEAST)
    return torch.quantile(own.where(logs.argmax(-1) != truth, 0.0), torch.linspace(0, 1, NUM_POINTS))


def r2(truth: Tensor, answers: Tensor) -> float:
    """The share of the variance about the mean that is explained, from -1 up; the mean over outputs."""
    unexplained = (truth - answers).square().sum(0) / (truth - truth.mean(0)).square().sum(0).clamp(min=1e-12)
    return float((1 - unexplained).clamp(min=-1).mean())


def _shots(support: Support) -> list[int]:
    return torch.bincount(classes_of(support).index[0]).tolist()
