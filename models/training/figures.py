"""Few-shot figures with 95% intervals, of a learner whose encoder runs once over every row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from models.data.episodes import draw, full_batch, generator
from models.heads.head import Head
from models.learner import Learner
from models.types import Classes, Logits

MAX_TASKS = 50  # in one pass of the head, to bound memory
BINS = 15


@dataclass(frozen=True)
class Figure:
    """One measured number: its mean and half of its 95% interval over tasks."""

    name: str
    value: float
    half: float
    unit: str = "%"

    def __str__(self) -> str:
        digits = 0 if abs(self.value) >= 200 else 2
        return f"{self.value:.{digits}f} ± {self.half:.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Answers:
    """Queries of many tasks: whether each was answered rightly, and how sure the learner was."""

    right: npt.NDArray[np.bool_]  # [tasks, queries]
    confidence: npt.NDArray[np.float64]  # [tasks, queries]

    def accuracy(self, name: str) -> Figure:
        """Mean share of right answers over tasks."""
        return percent(name, self.right.mean(1))

    def error(self, name: str) -> Figure:
        """Mean share of wrong answers over tasks."""
        return percent(name, 1 - self.right.mean(1))

    def calibration_error(self, name: str) -> Figure:
        """Expected calibration error over equal bins of confidence; the interval is a bootstrap over tasks."""
        rng = np.random.default_rng(0)
        picks = rng.integers(len(self.right), size=(200, len(self.right)))
        spread = np.std([_calibration_error(self.right[p], self.confidence[p]) for p in picks])
        return Figure(name, 100 * _calibration_error(self.right, self.confidence), 196 * float(spread))


def percent(name: str, per_task: npt.NDArray[np.floating]) -> Figure:
    """The mean of shares, one a task, in per cent."""
    return Figure(name, 100 * float(per_task.mean()), 196 * float(per_task.std(ddof=1) / np.sqrt(len(per_task))))


def mean_of(figures: list[Figure], name: str) -> Figure:
    """Mean over fixed groups (alphabets), each with its own interval."""
    halves = [figure.half for figure in figures]
    return Figure(name, float(np.mean([f.value for f in figures])), float(np.linalg.norm(halves)) / len(halves))


def encode_all(learner: Learner, inputs: Shaped[Tensor, "B *X"], rows: int = 256) -> Shaped[Tensor, "B *F"]:
    """Features of every input, in the type the learner is in."""
    with torch.inference_mode():
        return torch.cat([learner.encoder(part) for part in torch.split(inputs, rows)])


def episode_answers(
    head: Head,
    features: Shaped[Tensor, "B *F"],
    pool: list[Int64[Tensor, "_"]],
    *,
    ways: int,
    shots: int,
    num_tasks: int,
    queries: int = 5,
    seed: int = 0,
    max_tasks: int = MAX_TASKS,
) -> Answers:
    """Tasks drawn from the pool's classes, `queries` of each class asked; at most as many ways as there are classes.

    How many are computed at once, `max_tasks`, changes neither the tasks nor, but for rounding, the answers.
    """
    draws = generator(seed, ways * 1000 + shots)
    parts = []
    for start in range(0, num_tasks, max_tasks):
        tasks = min(max_tasks, num_tasks - start)
        rows = draw(pool, tasks, min(ways, len(pool)), shots + queries, draws)
        parts.append(_answers(head, features[rows[:, :, :shots]], features[rows[:, :, shots:]]))
    return joined(parts)


def joined(parts: list[Answers]) -> Answers:
    """The answers of all these tasks."""
    return Answers(np.concatenate([p.right for p in parts]), np.concatenate([p.confidence for p in parts]))


def answers_of(scores: Float[Tensor, "T Q N"], truth: Int64[Tensor, "T Q"]) -> Answers:
    """Judge logits."""
    confidence, answer = scores.softmax(-1).max(-1)
    return Answers((answer == truth).numpy(), confidence.double().numpy())


def _answers(head: Head, support: Shaped[Tensor, "T N K *F"], query: Shaped[Tensor, "T N R *F"]) -> Answers:
    batch = full_batch(support, query)
    with torch.inference_mode():
        scores = head.predict(head.adapt(batch.support), batch.query)
    assert isinstance(scores, Logits)
    assert isinstance(batch.target, Classes)
    return answers_of(scores.values, batch.target.index)


def _calibration_error(right: npt.NDArray[np.bool_], confidence: npt.NDArray[np.float64]) -> float:
    bins = np.minimum((confidence.ravel() * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence.ravel() - right.ravel(), BINS)
    return float(np.abs(gaps).sum() / right.size)
