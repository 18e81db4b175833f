"""Real tasks of one column, each by itself: the model `curves` beside a straight line and a Gaussian process."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from benchmarks.page import table
from benchmarks.regression.mixed import per_task
from benchmarks.regression.real import NUM_DRAWS, student
from benchmarks.regression.sets import SETS, SHOTS, Array, Task, read, supports
from models.learner import Learner
from models.training.curves import TWO_SIDED_90
from models.types import Gaussian, Support, Values, full_rows

NAMES = tuple(name for name, file in SETS.items() if file.startswith("curves/"))
CURVES, RIVAL = "`curves`", "Gaussian process"
METHODS = ("straight line", RIVAL, CURVES)

Answer: TypeAlias = tuple[Array, Array | None]  # means, and standard deviations of new targets


class Found(NamedTuple):
    """Of one task's draws: mean squared error as a share of the set's variance, share inside the 90% interval."""

    error: float
    held: float


def line(support: Task, asked: Array) -> Answer:
    """Least squares."""
    return per_task([])(support, asked), None


def process(support: Task, asked: Array) -> Answer:
    """Squared-exponential kernel and noise by maximum likelihood, three starts more; inputs and targets in units."""
    centre, spread = support.inputs.mean(0), support.inputs.std(0) or 1.0
    kernel = ConstantKernel(1.0, (0.01, 100.0)) * RBF(1.0, (0.05, 20.0)) + WhiteKernel(0.01, (1e-5, 1.0))
    fitted = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the kernel was reached
        fitted.fit((support.inputs - centre) / spread, support.targets)
    means, deviations = fitted.predict((asked - centre) / spread, return_std=True)
    return means, deviations


def by_model(learner: Learner, support: Task, asked: Array) -> Answer:
    """What the service would answer: inputs and targets as they are."""
    rows, targets, query = (
        torch.from_numpy(values).float().view(1, len(values), 1) for values in (support.inputs, support.targets, asked)
    )
    with torch.inference_mode():
        scores = learner.predict(learner.adapt(Support(full_rows(rows), Values(targets))), full_rows(query))
    assert isinstance(scores, Gaussian)
    return scores.mean.flatten().double().numpy(), scores.variance.flatten().double().sqrt().numpy()


def rows(data: Path, learner: Learner) -> Iterator[list[str]]:
    """The table: a row a set and number of shots."""
    methods: Mapping[str, Callable[[Task, Array], Answer]] = {
        METHODS[0]: line,
        RIVAL: process,
        CURVES: lambda support, asked: by_model(learner, support, asked),
    }
    for name in NAMES:
        tasks = read(data, name)
        variance = float(np.concatenate([task.targets for task in tasks]).var())
        for shots in SHOTS:
            drawn = [draws for number, task in enumerate(tasks) if (draws := supports(task, number, shots, NUM_DRAWS))]
            if drawn:
                found = {key: [_judged(method, draws, variance) for draws in drawn] for key, method in methods.items()}
                yield [name, str(shots), str(len(drawn)), *_shown(found)]


def _judged(method: Callable[[Task, Array], Answer], draws: list[tuple[Task, Task]], variance: float) -> Found:
    errors, held = [], []
    for support, rest in draws:
        means, deviations = method(support, rest.inputs)
        miss = np.abs(means - rest.targets)
        errors.append(float(np.square(miss).mean()) / variance)
        held.append(float("nan") if deviations is None else float((miss < TWO_SIDED_90 * deviations).mean()))
    return Found(float(np.mean(errors)), float(np.mean(held)))


def _shown(found: Mapping[str, list[Found]]) -> Iterator[str]:
    for method in METHODS:
        yield f"{100 * np.mean([each.error for each in found[method]]):.1f}"
    gaps = np.array([other.error - own.error for other, own in zip(found[RIVAL], found[CURVES], strict=True)])
    half = student(len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    yield f"{100 * gaps.mean():+.1f} ± {100 * half:.1f}"
    for method in (RIVAL, CURVES):
        yield f"{100 * np.mean([each.held for each in found[method]]):.0f}"


HEAD = (
    *("set", "shots", "tasks", *METHODS, "gain over the process"),
    *(f"inside the 90% interval: {method}" for method in (RIVAL, CURVES)),
)
TOLD = (
    f"Real curves of one column, in the units they are published in; {NUM_DRAWS} supports a task, every method from "
    "the same rows of that task alone. Mean squared error in per cent of the set's variance; the gain is the process's "
    "error less the model's, paired by task, ± 95% interval (Student, over tasks). The process has a "
    "squared-exponential kernel and noise by maximum likelihood (scikit-learn). Inside the interval: per cent of the "
    "targets, 90 would be right. The sets are GPL: measured only."
)


def text(data: Path, learner: Learner) -> str:
    """What is shown."""
    return f"{TOLD}\n\n{table(HEAD, list(rows(data, learner)))}"
