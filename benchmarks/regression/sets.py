"""Real regressions, many small tasks a set: their rows, and five folds over tasks, no task in two."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SETS = {
    **{
        name: f"curves/{name}.npz"
        for name in (
            "chickweight",
            "indometh",
            "loblolly",
            "milk",
            "orange",
            "orthodont",
            "oxboys",
            "sleepstudy",
            "theoph",
        )
    },
    "exam": "mtl_exam/exam.npz",
    "radon": "mtl_radon/radon.npz",
}
NUM_FOLDS = 5
SHOTS = (3, 5, 10)


@dataclass(frozen=True)
class Task:
    """The rows of one subject, school or county."""

    inputs: Array  # [rows, columns]
    targets: Array  # [rows]


@dataclass(frozen=True)
class Fold:
    """Tasks to learn from and tasks to be judged by, in units of the former: every column and the target."""

    train: list[Task]
    test: list[tuple[int, Task]]  # with their number in the set, by which their supports are drawn
    unit: float  # of the target, for going back


def read(data: Path, name: str) -> list[Task]:
    """The tasks of a set; FileNotFoundError where the folder of data sets does not have it."""
    with np.load(data / SETS[name]) as table:
        inputs, targets, task = table["X"].astype(float), table["y"].astype(float), table["task"]
    return [Task(inputs[task == each], targets[task == each]) for each in np.unique(task)]


def folds(tasks: list[Task], num_folds: int = NUM_FOLDS) -> Iterator[Fold]:
    """Each task is judged in exactly one fold, by what was learned from the tasks of the others."""
    order = np.random.default_rng(0).permutation(len(tasks))
    for part in np.array_split(order, num_folds):
        judged = set(part.tolist())
        train = [task for number, task in enumerate(tasks) if number not in judged]
        inputs, targets = np.concatenate([t.inputs for t in train]), np.concatenate([t.targets for t in train])
        centre, spread = inputs.mean(0), np.where(inputs.std(0) > 0, inputs.std(0), 1.0)
        level, unit = float(targets.mean()), float(targets.std())

        def scaled(task: Task, a: Array = centre, b: Array = spread, c: float = level, d: float = unit) -> Task:
            return Task((task.inputs - a) / b, (task.targets - c) / d)

        yield Fold([scaled(t) for t in train], [(n, scaled(tasks[n])) for n in sorted(judged)], unit)


def supports(task: Task, number: int, shots: int, num_draws: int) -> list[tuple[Task, Task]]:
    """Draws of `shots` rows and the rest; none where fewer than two rows would be left to ask."""
    rows = len(task.targets)
    if rows < shots + 2:
        return []
    draw = np.random.default_rng((number, shots))
    orders = [draw.permutation(rows) for _ in range(num_draws)]
    return [(_rows(task, order[:shots]), _rows(task, order[shots:])) for order in orders]


def _rows(task: Task, rows: npt.NDArray[np.int64]) -> Task:
    return Task(task.inputs[rows], task.targets[rows])
