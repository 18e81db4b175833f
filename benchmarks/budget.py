"""Equal budgets: a run gets so many CPU-seconds, its trial included, over however many processes that are killed."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from models.training.train import Run, train

NAME = "budget.json"
TRIAL_STEPS = (4, 40)  # the least, which warm up, and the most
TRIAL_SHARE = 0.03  # of the budget, at most, where that is more than the least number of steps
AIM = 0.97  # of the budget: the plan; at the whole of it training stops wherever it is
SLICE_S = 20.0  # between two entries; a kill costs at most as much work, which is done again and not counted twice


@dataclass(frozen=True)
class Account:
    """What a run may use and has used, in CPU-seconds of all threads, and the plan that the trials led to."""

    budget_s: float
    num_steps: int
    trial_s: float
    trained_s: float = 0.0

    @property
    def spent_s(self) -> float:
        """Trials and training."""
        return self.trial_s + self.trained_s


def train_within(
    make: Callable[[int], Run], folder: Path, budget_s: float, tuned_s: float = 0.0, slice_s: float = SLICE_S
) -> tuple[Run, Account]:
    """The run of `make` (number of steps -> run) trained to its end in `folder`, going on from where it was killed.

    A trial of few steps says how many fit, so that the schedule of the rate ends when the budget does. What the choice
    of the run's settings cost, `tuned_s`, is paid from the budget too.
    """
    torch.set_num_threads(1)  # the lanes are the threads; those that wait for small operations would be counted too
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    account = _read(path, budget_s) if path.is_file() else _planned(make, budget_s, tuned_s)
    _write(path, account)
    run, done = make(account.num_steps), False
    while not done:
        began = time.process_time()
        stop = _stop(run.stop, began + budget_s - account.spent_s)
        done = train(replace(run, stop=stop, validate=None, save_steps=account.num_steps), folder, max_seconds=slice_s)
        account = replace(account, trained_s=account.trained_s + time.process_time() - began)
        _write(path, account)
    return run, account


def _stop(own: Callable[[], bool] | None, limit_s: float) -> Callable[[], bool]:
    """The run's own end, or when this process has used so many CPU-seconds."""
    return lambda: (own is not None and own()) or time.process_time() >= limit_s


def _planned(make: Callable[[int], Run], budget_s: float, tuned_s: float) -> Account:
    """Whole small runs, since the cost of a step may change over a run (MAML++ anneals its loss)."""
    least, most = TRIAL_STEPS
    rough_s, step_s = trial(make, least)
    trial_s, step_s = trial(make, max(least, min(most, int(budget_s * TRIAL_SHARE / step_s))))
    before_s = tuned_s + rough_s + trial_s
    return Account(budget_s, max(1, int((AIM * budget_s - before_s) / step_s)), before_s)


def trial(make: Callable[[int], Run], num_steps: int) -> tuple[float, float]:
    """CPU-seconds of a run of so many steps, thrown away, and of a step of it."""
    run, marks = make(num_steps), []

    def mark() -> bool:
        marks.append(time.process_time())
        return False

    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        train(replace(run, stop=mark, validate=None), Path(folder))
    return time.process_time() - began, (marks[-1] - marks[0]) / (num_steps - 1)


def _read(path: Path, budget_s: float) -> Account:
    account = Account(**json.loads(path.read_text("utf-8")))
    if account.budget_s != budget_s:
        raise ValueError(f"{path.parent} holds a run of another budget: {account.budget_s:.0f} CPU-seconds")
    return account


def _write(path: Path, account: Account) -> None:
    """Whole or not at all."""
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(asdict(account)), "utf-8")
    beside.replace(path)
