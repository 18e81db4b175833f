"""Every method on every set of real tasks: squared errors a task, and how they differ from the mixed model's."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.page import table
from benchmarks.regression.learned import Learned, learned
from benchmarks.regression.mixed import Predict, mixed, per_task, pooled
from benchmarks.regression.sets import SETS, SHOTS, Array, Task, folds, read, supports
from models.training.resume import write

NUM_DRAWS = 5  # supports of a task
CHOSEN_ON = "chickweight"  # the one set on which network, rate and stops were chosen
METHODS: dict[str, Callable[[list[Task]], Predict]] = {
    "pooled": pooled,
    "per task": per_task,
    "mixed model": mixed,
    "learned prior": learned,
}
RIVAL, OURS = "mixed model", "learned prior"
VERDICTS = ("better", "as good", "worse")


@dataclass
class Errors:
    """Of one set: by shots and method, the mean squared error of each task, as a share of the set's variance."""

    name: str
    by: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)  # that each fold's learned prior went beyond the mixed model
    cpu_s: float = 0.0

    def mean(self, shots: int, method: str) -> float:
        """Over tasks."""
        return float(np.mean(self.by[shots, method]))

    def gain(self, shots: int, method: str = OURS) -> tuple[float, float]:
        """How much lower a method's error is than the mixed model's, and half the 95% interval, paired by task."""
        gaps = np.subtract(self.by[shots, RIVAL], self.by[shots, method])
        return float(gaps.mean()), float(student(len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps)))

    def shots(self) -> list[int]:
        """Those that at least one task has rows for."""
        return [shots for shots in SHOTS if (shots, RIVAL) in self.by]


def student(freedom: int) -> float:
    """Deviations in a two-sided 95% interval, by the expansion about the normal: within 1% from 4 degrees on."""
    z, nu = 1.959964, float(freedom)
    first, second = z**3 + z, 5 * z**5 + 16 * z**3 + 3 * z
    third = 3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z
    return z + first / (4 * nu) + second / (96 * nu**2) + third / (384 * nu**3)


def measured(data: Path, name: str) -> Errors:
    """Five folds over the tasks of one set."""
    tasks = read(data, name)
    if max(len(task.targets) for task in tasks) < SHOTS[0] + 2:  # orthodont: four rows a task
        return Errors(name)
    spread = float(np.concatenate([task.targets for task in tasks]).var())
    errors, began = Errors(name), time.process_time()
    for fold in folds(tasks):
        for method, learn in METHODS.items():
            predict = learn(fold.train)
            if isinstance(predict, Learned):
                errors.steps.append(predict.num_steps)
            for number, task in fold.test:
                for shots, error in _judged(predict, task, number):
                    errors.by.setdefault((shots, method), []).append(error * fold.unit**2 / spread)
    errors.cpu_s = time.process_time() - began
    return errors


def kept(data: Path, name: str, folder: Path) -> Errors:
    """As `measured`, once: the errors are kept in a file of the folder, and read from it the next time."""
    path = folder / f"{name}.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write(path, packed(measured(data, name)))
    return unpacked(name, path.read_bytes())


def packed(errors: Errors) -> bytes:
    """As a file."""
    by = [[shots, method, each] for (shots, method), each in errors.by.items()]
    return json.dumps({"by": by, "steps": errors.steps, "cpu_s": errors.cpu_s}).encode()


def unpacked(name: str, content: bytes) -> Errors:
    """From a file."""
    parts = json.loads(content)
    by = {(int(shots), method): errors for shots, method, errors in parts["by"]}
    return Errors(name, by, parts["steps"], parts["cpu_s"])


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
            means = [f"{100 * errors.mean(shots, method):.2f}" for method in METHODS]
            count, steps = str(len(errors.by[shots, RIVAL])), " ".join(map(str, errors.steps))
            yield [errors.name, str(shots), count, *means, _shown(errors.gain(shots)), verdict(errors, shots), steps]


def verdict(errors: Errors, shots: int) -> str:
    """Whether the learned prior's error is lower than the mixed model's, beyond the interval of their difference."""
    gain, half = errors.gain(shots)
    return VERDICTS[0] if gain > half else VERDICTS[2] if gain < -half else VERDICTS[1]


def text(sets: list[Errors]) -> str:
    """What is shown of these sets: the mean gain, and the table."""
    tried, sets = sets, [errors for errors in sets if errors.by]
    told = (
        "Mean squared error in per cent of the set's variance; five folds over tasks, "
        f"{NUM_DRAWS} supports a task, every method from the same rows. The gain is the mixed model's error less the "
        "learned prior's, paired by task, ± 95% interval (Student, over tasks). The steps a fold went beyond the mixed "
        "model were chosen by cross-validation inside the fold's training tasks, on squared errors; network, rate and "
        f"stops on {CHOSEN_ON} alone. Cross-validation: every row was trained on in other folds. The mixed model is "
        "linear in the columns: curves that bend are beyond it. The sets are GPL: measured only, no weights are "
        "kept.\n\n"
        f"Mean gain over {len(sets)} sets: **{_shown(over_sets(sets))}** points"
    )
    others = [errors for errors in sets if errors.name != CHOSEN_ON]
    told += f"; without {CHOSEN_ON} {_shown(over_sets(others))}" if others else ""
    verdicts = [verdict(errors, shots) for errors in sets for shots in errors.shots()]
    told += f". Of {len(verdicts)} rows " + ", ".join(f"{verdicts.count(each)} {each}" for each in VERDICTS)
    missing = [name for name in SETS if name not in {errors.name for errors in tried}]
    told += f". Not measured yet: {', '.join(missing)}" if missing else ""
    short = [errors.name for errors in tried if not errors.by]
    told += f". Tasks of fewer than {SHOTS[0] + 2} rows, not measured: {', '.join(short)}" if short else ""
    told += f". {sum(errors.cpu_s for errors in sets) / 60:.1f} minutes of CPU"
    return f"{told}.\n\n{table(HEAD, list(rows(sets)))}"


def _shown(gain: tuple[float, float]) -> str:
    return f"{100 * gain[0]:+.2f} ± {100 * gain[1]:.2f}"


HEAD = ["set", "shots", "tasks", *METHODS, "gain over the mixed model", "verdict", "steps a fold"]
