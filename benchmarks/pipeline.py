"""Pre-training, meta-learning and both, over seeds: the table of `python -m benchmarks.multitask pipeline`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.page import table
from models.learner import Learner
from models.training.compare import Compared
from models.training.objectives.episodic import Metrics
from models.training.pipeline import COST, SHARES
from models.training.train import Run

ABOUT = (
    "The same Conv-4 and head: as initialised; pre-trained on 25 alphabets and four numbers at once; meta-learned on "
    f"episodes of the same drawings; {SHARES['both']:.0%} of the CPU time pre-trained and the rest meta-learned. Each "
    "row has the CPU time of as many steps of meta-learning, of which one of pre-training costs "
    f"{COST}. Accuracy, %, within an alphabet: mean over background's last five, kept to choose by, and "
    "over the evaluation alphabets, by which nothing was. Mean ± standard deviation over seeds; of the difference, "
    "seed by seed, mean ± standard error."
)


def pipeline_table(
    runs: Sequence[Run], rows: Sequence[Mapping[str, Compared]], test: Callable[[Learner], Metrics]
) -> str:
    """A row each of what was trained, runs and rows being of a seed each; then what both gain on meta-learning."""
    found = {name: [_figures(run, each, name, test) for run, each in zip(runs, rows, strict=True)] for name in rows[0]}
    percents = {name: 100 * np.array(each) for name, each in found.items()}
    body = [
        [name, *map(_spread, each.T), _spread(np.array([row[name].cpu_s for row in rows]))]
        for name, each in percents.items()
    ]
    body.append(["both - meta", *map(_gain, (percents["both"] - percents["meta"]).T), ""])
    settings = [*rows[0]["both"].figures]
    head = ["", *(f"{each}, held out" for each in settings), *(f"{each}, evaluation" for each in settings), "CPU-s"]
    return table(head, body)


def _figures(run: Run, row: Mapping[str, Compared], name: str, test: Callable[[Learner], Metrics]) -> list[float]:
    """Held out, then of the test."""
    learner = run.learner if name == "both" else run.beside[name].learner
    with torch.inference_mode():
        return [*row[name].figures.values(), *test(learner).values()]


def _spread(values: npt.NDArray[np.floating]) -> str:
    """Mean and deviation over seeds."""
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def _gain(values: npt.NDArray[np.floating]) -> str:
    """Mean and its standard error over seeds."""
    return f"{values.mean():+.2f} ± {values.std(ddof=1) / len(values) ** 0.5:.2f}"
