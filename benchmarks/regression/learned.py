"""Ours on real tasks: the mixed model as a start, then features that the training tasks ask for, by ALPaCA."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.regression.mixed import Mixed, mixed
from benchmarks.regression.sets import SHOTS, Array, Task, supports
from models.data.episodes import Batch
from models.heads.alpaca import ALPaCA
from models.learner import Learner
from models.training.objectives.episodic import episodic
from models.types import Gaussian, Support, Values, full_rows

WIDTH, EXTRA = 32, 4  # learned features, and directions beside those of the mixed model
MIN_SHOTS, MAX_SHOTS, QUERIES, NUM_TASKS = 3, 10, 4, 16
RATE, DECAY = 3e-3, 1e-3
STOPS = (0, 100, 200)  # steps between which the training tasks choose
NUM_PARTS = 4  # of the training tasks: each is kept out once while the number of steps is chosen
JUDGED_DRAWS = 3  # supports of a kept-out task by which they choose


class Beside(nn.Module):
    """The columns themselves, and features of a network beside them."""

    def __init__(self, num_columns: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(num_columns, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh())

    def forward(self, inputs: Float[Tensor, "B X"]) -> Float[Tensor, "B D"]:
        """Columns, then features."""
        return torch.cat([inputs, self.network(inputs)], 1)


@dataclass(frozen=True)
class Learned:
    """A learner, its number of steps chosen by tasks kept out of the training tasks, then trained on all of them."""

    learner: Learner
    num_steps: int

    def __call__(self, support: Task, asked: Array) -> Array:
        """Its means at the inputs asked."""
        with torch.inference_mode():
            adapted = self.learner.adapt(Support(full_rows(_tensor(support.inputs)), Values(_column(support.targets))))
            scores = self.learner.predict(adapted, full_rows(_tensor(asked)))
        assert isinstance(scores, Gaussian)
        means: Array = scores.mean[0, :, 0].double().numpy()
        return means


def learned(train: list[Task], stops: Sequence[int] = STOPS) -> Learned:
    """Start where the mixed model ends; go as far as kept-out training tasks get better, which may be nowhere."""
    parts = min(NUM_PARTS, len(train) - 1)
    errors = np.sum([_errors(train[part::parts], _others(train, part, parts), stops) for part in range(parts)], 0)
    num_steps = stops[int(np.argmin(errors))]
    learner = as_mixed(mixed(train))
    _go(learner, train, 0, num_steps)
    return Learned(learner, num_steps)


def _others(tasks: list[Task], part: int, parts: int) -> list[Task]:
    return [task for number, task in enumerate(tasks) if number % parts != part]


def _errors(kept: list[Task], rest: list[Task], stops: Sequence[int]) -> list[float]:
    """At each stop of a way that the rest of the tasks leads: squared error on the kept-out ones, summed over them."""
    learner, errors = as_mixed(mixed(rest)), []
    for first, last in zip((0, *stops), stops, strict=False):
        _go(learner, rest, first, last)
        now = Learned(learner, last)
        errors.append(sum(_error(now, task, number) for number, task in enumerate(kept)))
    return errors


def _error(now: Learned, task: Task, number: int) -> float:
    """Of one task: the mean over numbers of shots and draws, as tasks are judged in the end."""
    draws = [pair for shots in SHOTS for pair in supports(task, number, shots, JUDGED_DRAWS)]
    misses = [now(support, rest.inputs) - rest.targets for support, rest in draws]
    return float(np.mean([np.square(miss).mean() for miss in misses])) if misses else 0.0


def as_mixed(model: Mixed) -> Learner:
    """A learner that answers as the mixed model does."""
    torch.manual_seed(0)
    columns = len(model.mean) - 1
    encoder, head = Beside(columns), ALPaCA(columns + WIDTH, columns + 1 + EXTRA, units="trained")
    places = [columns + WIDTH, *range(columns)]  # the head's intercept is the last
    with torch.no_grad():
        head.mean.zero_()
        head.subspace.zero_()
        head.mean[places] = _tensor(model.mean)[0]
        head.subspace[: columns + 1, places] = _tensor(np.linalg.cholesky(model.covariance).T.astype(float))[0]
        head.subspace[columns + 1 :, columns:-1] = 1e-3 * torch.randn(EXTRA, WIDTH)
        head.log_noise.fill_(np.log(model.noise) / 2)
    return Learner(encoder, head)


def _go(learner: Learner, tasks: list[Task], first: int, last: int) -> None:
    """Train by the likelihood of queries, at a constant rate, so that every stop is on one way."""
    optimiser = torch.optim.AdamW(learner.parameters(), RATE, weight_decay=DECAY)
    for step in range(first, last):
        optimiser.zero_grad()
        episodic(learner, _batch(tasks, step))
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()


def _batch(tasks: list[Task], step: int) -> Batch:
    """Tasks of one number of shots, as many as leave a row to ask, drawn with replacement."""
    draw = np.random.default_rng((1, step))
    longest = sorted(len(task.targets) for task in tasks)[len(tasks) // 2]
    shots = int(draw.integers(MIN_SHOTS, max(MIN_SHOTS, min(MAX_SHOTS, longest - 1)) + 1))
    able = [task for task in tasks if len(task.targets) > shots]
    rows = []
    for task in (able[i] for i in draw.integers(len(able), size=NUM_TASKS)):
        order = draw.permutation(len(task.targets))
        asked = draw.choice(order[shots:], QUERIES)
        rows.append((task, np.concatenate([order[:shots], asked])))
    inputs = torch.cat([_tensor(task.inputs[chosen]) for task, chosen in rows])
    values = torch.cat([_column(task.targets[chosen]) for task, chosen in rows])
    support = Support(full_rows(inputs[:, :shots]), Values(values[:, :shots]))
    return Batch(support, full_rows(inputs[:, shots:]), Values(values[:, shots:]))


def _tensor(rows: Array) -> Float[Tensor, "1 *R"]:
    return torch.from_numpy(rows).float().unsqueeze(0)


def _column(targets: Array) -> Float[Tensor, "1 R 1"]:
    return _tensor(targets).unsqueeze(-1)
