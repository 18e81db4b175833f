"""The inner rate of a method, chosen in small runs on what is kept for choosing; they are paid from its budget."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.budget import TRIAL_STEPS, trial
from models.training.methods import INNER_RATES, method
from models.training.train import Run, train

NAME = "tuning.json"
SHARE = 0.04  # of the budget, for each rate
Make = Callable[[float, int], Run]  # inner rate, number of steps -> a run with a validation


@dataclass(frozen=True)
class Tuning:
    """The rates that were tried: the mean accuracy that each had on held-out classes; and what all that cost."""

    tried: dict[str, float] = field(default_factory=dict)
    spent_s: float = 0.0

    @property
    def best(self) -> float:
        """The rate that did best; any, where none was tried since the method has none."""
        return float(max(self.tried, key=lambda rate: self.tried[rate])) if self.tried else INNER_RATES[0]

    def __str__(self) -> str:
        return ", ".join(f"{rate}: {100 * accuracy:.1f}" for rate, accuracy in self.tried.items()) or "-"


def tuned(name: str, make: Make, folder: Path, budget_s: float) -> Tuning:
    """The tuning of a method, going on from where it was killed; nothing is tried for one that has no inner rate."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    tuning = Tuning(**json.loads(path.read_text("utf-8"))) if path.is_file() else Tuning()
    for rate in INNER_RATES if method(name).has_inner_rate else ():
        if f"{rate:g}" not in tuning.tried:
            began = time.process_time()
            accuracy = _accuracy(make, rate, SHARE * budget_s)
            spent_s = tuning.spent_s + time.process_time() - began
            tuning = Tuning({**tuning.tried, f"{rate:g}": accuracy}, spent_s)
            beside = path.with_suffix(".partial")
            beside.write_text(json.dumps(asdict(tuning)), "utf-8")
            beside.replace(path)
    return tuning


def _accuracy(make: Make, rate: float, share_s: float) -> float:
    """Of a whole small run at this rate, which costs about as many CPU-seconds; zero where it diverges."""
    rough_s, step_s = trial(lambda num_steps: make(rate, num_steps), TRIAL_STEPS[0])
    run = make(rate, max(TRIAL_STEPS[0], int((share_s - rough_s) / step_s)))
    assert run.validate is not None
    with TemporaryDirectory() as folder, torch.inference_mode(False):
        train(replace(run, validate=None), Path(folder))
    with torch.inference_mode():
        shown = run.validate(run.learner)
    accuracy = sum(shown.values()) / len(shown)
    return accuracy if accuracy == accuracy else 0.0
