"""Every method on every set of real tasks: squared errors a task, and how they differ from the mixed model's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.page import table
from benchmarks.regression.learned import Learned, learned
from benchmarks.regression.mixed import Predict, mixed, per_task, pooled
from benchmarks.regression.sets import SETS, Array, Task, folds, read, supports

SHOTS = (3, 5, 10)
NUM_DRAWS = 5  # supports of a task
CHOSEN_ON = "chickweight"  # the one set on which network, rate and stops were chosen
METHODS: dict[str, Callable[[list[Task]], Predict]] = {
    "pooled": pooled,
    "per task": per_task,
    "mixed model": mixed,
    "learned prior": learned,
}
RIVAL, OURS = "mixed model", "learned prior"


@dataclass
class Errors:
    """Of one set: by shots and method, the mean squared error of each task, as a share of the set's variance."""

    name: str
    by: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)  # that each fold's learned prior went beyond the mixed model

    def mean(self, shots: int, method: str) -> float:
        """Over tasks."""
        return float(np.mean(self.by[shots, method]))

    def gain(self, shots: int, method: str = OURS) -> tuple[float, float]:
        """How much lower a method's error is than the mixed model's, and half the 95% interval, paired by task."""
        gaps = np.subtract(self.by[shots, RIVAL], self.by[shots, method])
        return float(gaps.mean()), float(1.96 * gaps.std(ddof=1) / np.sqrt(len(gaps)))

    def shots(self) -> list[int]:
        """Those that at least one task has rows for."""
        return [shots for shots in SHOTS if (shots, RIVAL) in self.by]


def measured(data: Path, name: str) -> Errors:
    """Five folds over the tasks of one set."""
    tasks = read(data, name)
    if max(len(task.targets) for task in tasks) < SHOTS[0] + 2:  # orthodont: four rows a task
        return Errors(name)
    spread = float(np.concatenate([task.targets for task in tasks]).var())
    errors = Errors(name)
    for fold in folds(tasks):
        for method, learn in METHODS.items():
            predict = learn(fold.train)
            if isinstance(predict, Learned):
                errors.steps.append(predict.num_steps)
            for number, task in fold.test:
                for shots, error in _judged(predict, task, number):
                    errors.by.setdefault((shots, method), []).append(error * fold.unit**2 / spread)
    return errors


def _judged(predict: Predict, task: Task, number: int) -> Iterator[tuple[int, float]]:
    """Of one task: shots, and mean squared error over draws of the support."""
    for shots in SHOTS:
        draws = supports(task, number, shots, NUM_DRAWS)
        if draws:
            misses: list[Array] = [predict(support, rest.inputs) - rest.targets for support, rest in draws]
            yield shots, float(np.mean([np.square(miss).mean() for miss in misses]))


def over_sets(sets: list[Errors]) -> tuple[float, float]:
    """The mean gain over sets and shots, sets weighing alike, and half its interval; tasks are what varies."""
    gains = [combined(errors) for errors in sets]
    means, halves = np.array([g[0] for g in gains]), np.array([g[1] for g in gains])
    return float(means.mean()), float(np.sqrt(np.square(halves).sum()) / len(gains))


def combined(errors: Errors) -> tuple[float, float]:
    """One set's mean gain over its shots; its half interval as if the shots, of the same tasks, were one draw."""
    gains = np.array([errors.gain(shots) for shots in errors.shots()])
    return float(gains[:, 0].mean()), float(gains[:, 1].mean())


def rows(sets: list[Errors]) -> Iterator[list[str]]:
    """The table, a row a set and number of shots, errors in per cent of the set's variance."""
    for errors in sets:
        for shots in errors.shots():
            gain, half = errors.gain(shots)
            means = [f"{100 * errors.mean(shots, method):.2f}" for method in METHODS]
            verdict = "better" if gain > half else "worse" if gain < -half else "as good"
            count = str(len(errors.by[shots, RIVAL]))
            shown = f"{100 * gain:+.2f} ± {100 * half:.2f}"
            yield [errors.name, str(shots), count, *means, shown, verdict, " ".join(map(str, errors.steps))]


def text(sets: list[Errors]) -> str:
    """What is shown of these sets: the mean gain, and the table."""
    tried, sets = sets, [errors for errors in sets if errors.by]
    mean, half = over_sets(sets)
    told = (
        "Mean squared error in per cent of the set's variance; five folds over tasks, "
        f"{NUM_DRAWS} supports a task, every method from the same rows. The gain is the mixed model's error less the "
        "learned prior's, paired by task, ± 95% interval. The steps a fold went beyond the mixed model were chosen "
        f"inside the fold's training tasks; network and rate on {CHOSEN_ON} alone. Cross-validation: every row was "
        "trained on in other folds. The mixed model is linear in the columns: curves that bend are beyond it. "
        "The sets are GPL: measured only, no weights are kept.\n\n"
        f"Mean gain over {len(sets)} sets: **{100 * mean:+.2f} ± {100 * half:.2f}** points"
    )
    others = [errors for errors in sets if errors.name != CHOSEN_ON]
    if others:
        mean, half = over_sets(others)
        told += f"; without {CHOSEN_ON} {100 * mean:+.2f} ± {100 * half:.2f}"
    missing = [name for name in SETS if name not in {errors.name for errors in tried}]
    told += f". Not measured yet: {', '.join(missing)}" if missing else ""
    short = [errors.name for errors in tried if not errors.by]
    told += f". Tasks too short: {', '.join(short)}" if short else ""
    return f"{told}.\n\n{table(HEAD, list(rows(sets)))}"


HEAD = ["set", "shots", "tasks", *METHODS, "gain over the mixed model", "verdict", "steps a fold"]
