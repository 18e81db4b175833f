"""The rivals: one regression for all, one a task, and the linear mixed model by EM (Laird and Ware 1982)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.regression.sets import Array, Task

Predict = Callable[[Task, Array], Array]  # a task's support, inputs asked -> means
MAX_ITERATIONS = 1000
SETTLED = 1e-6  # relative change of the noise and of the mean at which EM ends
JITTER = 1e-8


def design(inputs: Array) -> Array:
    """An intercept, then the columns."""
    return np.column_stack([np.ones(len(inputs)), inputs])


def pooled(train: list[Task]) -> Predict:
    """Least squares over all rows of the training tasks; the support changes nothing."""
    weights = _least_squares(np.concatenate([t.inputs for t in train]), np.concatenate([t.targets for t in train]))
    return lambda support, asked: design(asked) @ weights


def per_task(train: list[Task]) -> Predict:
    """Least squares over the support alone, the shortest solution where it leaves a choice."""
    return lambda support, asked: design(asked) @ _least_squares(support.inputs, support.targets)


@dataclass(frozen=True)
class Mixed:
    """Weights of tasks: normal, with this mean and covariance; targets have normal noise of this variance."""

    mean: Array
    covariance: Array
    noise: float

    def __call__(self, support: Task, asked: Array) -> Array:
        """The best linear unbiased predictor (BLUP) at the inputs asked."""
        rows = design(support.inputs)
        across = self.covariance @ rows.T
        total = rows @ across + self.noise * np.eye(len(rows))
        change = across @ np.linalg.solve(total, support.targets - rows @ self.mean)
        means: Array = design(asked) @ (self.mean + change)
        return means


@dataclass(frozen=True)
class Sums:
    """All that the likelihood needs of the training tasks: X'X and X'y of each, y'y and the rows of all."""

    squares: Array  # [tasks, width, width]
    products: Array  # [tasks, width]
    power: float
    count: int


def mixed(train: list[Task]) -> Mixed:
    """Random intercept and slopes with a full covariance, by EM on the restricted likelihood of the training tasks.

    Restricted: the mean is integrated out, so that its own uncertainty enters the expectations.
    """
    rows = [design(task.inputs) for task in train]
    squares = np.stack([x.T @ x for x in rows])
    products = np.stack([x.T @ task.targets for x, task in zip(rows, train, strict=True)])
    power = float(sum(task.targets @ task.targets for task in train))
    sums = Sums(squares, products, power, sum(map(len, rows)))
    width = squares.shape[1]
    now = Mixed(np.zeros(width), np.eye(width) / 2, 0.5)
    for _ in range(MAX_ITERATIONS):
        after = _step(now, sums)
        moved = np.abs(after.mean - now.mean).max() + abs(after.noise - now.noise)
        now = after
        if moved < SETTLED:
            break
    return now


def _step(now: Mixed, sums: Sums) -> Mixed:
    """One round of EM, every sum over rows being one of `sums`."""
    squares, covariance, eye = sums.squares, now.covariance, np.eye(len(now.mean))
    inner = np.linalg.inv(now.noise * eye + squares @ covariance)
    known, seen = inner @ squares, (inner @ sums.products[..., None])[..., 0]  # X' V^-1 X and X' V^-1 y
    unsure = np.linalg.pinv(known.sum(0), hermitian=True)
    mean = unsure @ seen.sum(0)
    change = (seen - known @ mean) @ covariance
    reach = covariance @ known
    shrink = eye - reach
    own = shrink @ covariance
    second = np.einsum("ti,tj->ij", change, change) + (own + reach @ unsure @ reach.mT).sum(0)
    weights: Array = mean + change
    fitted = 2 * (weights * sums.products).sum() - np.einsum("ti,tij,tj->", weights, squares, weights)
    spread = np.einsum("tij,tji->", squares, own + shrink @ unsure @ shrink.mT)
    after: Array = np.asarray(second / len(squares), float)
    noise = (sums.power - fitted + spread) / sums.count
    return Mixed(np.asarray(mean, float), (after + after.T) / 2 + JITTER * eye, float(noise) + JITTER)


def _least_squares(inputs: Array, targets: Array) -> Array:
    weights: Array = np.linalg.lstsq(design(inputs), targets, rcond=None)[0].astype(float)
    return weights
