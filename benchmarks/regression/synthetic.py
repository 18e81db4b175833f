"""Tasks whose best predictor is known: every method's error beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.regression.bayes import linear_means, means_behind, sinusoid_means
from models.data.episodes import Batch
from models.data.regressions import LinearTasks, SinusoidTasks
from models.encoders.linear_map import LinearMap
from models.heads.gradient_regression import GradientRegression
from models.learner import Learner
from models.training.curves import TWO_SIDED_90
from models.types import Gaussian, Values

HELD_OUT = 1  # the seed of the tasks that are measured
NUM_TASKS, QUERIES = 1000, 100


@dataclass(frozen=True)
class Score:
    """Errors of many tasks: squared, as they were asked (with noise, if there is any), and the best possible ones."""

    errors: Float[Tensor, "T"]
    best: Float[Tensor, "T"] | None = None
    held: Float[Tensor, "T"] | None = None  # share of targets inside the 90% interval

    def error(self) -> str:
        """The mean, and half its 95% interval over tasks."""
        mean, half = interval(self.errors)
        if not np.isfinite(mean):
            return "diverges"
        return f"{mean:.2g} ± {half:.1g}" if mean < 0.01 else f"{mean:.3f} ± {half:.3f}"

    def excess(self, unforeseen: float = 0.0) -> str:
        """The error above the best possible on the same tasks, in per cent of it; or of it less what is unforeseen."""
        assert self.best is not None
        gap, half = interval(self.errors - self.best)
        least = float(self.best.mean()) - unforeseen
        return f"{100 * gap / least:+.2f} ± {100 * half / least:.2f} %"

    def coverage(self) -> str:
        """How much the 90% interval holds."""
        if self.held is None:
            return ""
        mean, half = interval(self.held)
        return f"{100 * mean:.1f} ± {100 * half:.1f} %"


def interval(each: Float[Tensor, "T"]) -> tuple[float, float]:
    """Mean, and half of its 95% interval."""
    values = each.double().numpy()
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def sinusoid_scores(learner: Learner, shots: int, noise: float, steps: Sequence[int] = (1,)) -> list[Score]:
    """After each of these numbers of inner steps; a closed form is one step."""
    batch = SinusoidTasks(noise, NUM_TASKS, shots, shots, QUERIES, HELD_OUT)(shots)
    best = _miss(sinusoid_means(batch, noise), batch) if noise else None
    return [_score(scores, batch, best) for scores in _after(learner, batch, steps)]


def linear_score(learner: Learner, tasks: LinearTasks, shots: int, behind: bool = False) -> Score:
    """On tasks made apart; `behind`: beside the best predictor that sees inputs through the learner's features."""
    held_out = replace(tasks, num_tasks=NUM_TASKS, min_shots=shots, max_shots=shots, queries=QUERIES, seed=HELD_OUT)
    batch = held_out(shots)
    best = linear_means(batch, tasks)
    if behind:
        assert isinstance(learner.encoder, LinearMap)
        best = means_behind(batch, tasks, learner.encoder.layer.weight.detach())
    return _score(_after(learner, batch, (1,))[0], batch, _miss(best, batch))


def _after(learner: Learner, batch: Batch, steps: Sequence[int]) -> list[Gaussian]:
    support, query = batch.support, batch.query
    if isinstance(learner.head, GradientRegression):
        learner.head.num_steps = max(steps)
    with torch.inference_mode():
        encoded = replace(support, rows=learner.encode(support.rows))
        ways = list(learner.head.steps(encoded, learner.head.start(encoded)))
        scores = [learner.predict(ways[step - 1], query) for step in steps]
    return [each for each in scores if isinstance(each, Gaussian)]


def _score(scores: Gaussian, batch: Batch, best: Float[Tensor, "T"] | None) -> Score:
    assert isinstance(batch.target, Values)
    miss = (scores.mean - batch.target.values).abs()
    held = (miss < TWO_SIDED_90 * scores.variance.sqrt()).double().mean((1, 2))
    return Score(_miss(scores.mean.squeeze(-1).double(), batch), best, held)


def _miss(means: Float[Tensor, "T Q"], batch: Batch) -> Float[Tensor, "T"]:
    assert isinstance(batch.target, Values)
    return (means - batch.target.values.squeeze(-1).double()).square().mean(1)
