"""The budget of a method: counted in CPU-seconds, its trial included, kept over kills, and never exceeded by much."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import budget
from benchmarks.budget import Account, train_within
from models.training.train import Run, train
from tests.models.training.tiny import tiny_run

BUDGET_S = 1.5


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "TRIAL_STEPS", (2, 4))


def tiny(num_steps: int) -> Run:
    return replace(tiny_run(), num_steps=num_steps)


def sleepy(num_steps: int) -> Run:
    """The same run, waiting without computing."""
    return replace(tiny(num_steps), batches=_after(lambda: time.sleep(0.02)))


def _after(act: Callable[[], None]) -> Callable[[int], object]:
    make = tiny_run().batches

    def batches(step: int) -> object:
        act()
        return make(step)

    return batches


def test_the_budget_is_of_cpu_seconds_with_the_trial_and_waiting_is_free(tmp_path: Path) -> None:
    began = time.process_time()
    _, account = train_within(sleepy, tmp_path, BUDGET_S)
    used = time.process_time() - began
    assert 0 < account.trial_s < account.spent_s <= used
    assert account.spent_s < 2 * BUDGET_S + account.trial_s  # a trial is never less than two small runs
    assert json.loads((tmp_path / budget.NAME).read_text())["trained_s"] == account.trained_s


def test_a_killed_run_goes_on_with_its_plan_and_what_it_has_left(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    steps = iter(range(30))

    def kill() -> None:
        if next(steps, None) is None:
            raise Killed

    def dying(num_steps: int) -> Run:
        return replace(tiny(num_steps), batches=_after(kill))

    plan = Account(1e6, num_steps=20, trial_s=1.0)
    budget._write(tmp_path / budget.NAME, plan)
    with pytest.raises(Killed):
        train_within(dying, tmp_path, 1e6, slice_s=0.0)  # an entry a step; thirty batches are fifteen steps
    left = Account(**json.loads((tmp_path / budget.NAME).read_text()))
    assert left.num_steps == 20
    assert left.trained_s > 0
    run, account = train_within(tiny, tmp_path, 1e6)
    assert account.num_steps == 20
    assert account.trained_s > left.trained_s
    straight = tiny(20)
    assert train(straight, tmp_path / "straight")
    for name, leaf in straight.learner.state_dict().items():
        assert torch.equal(leaf, run.learner.state_dict()[name]), name


def test_at_the_whole_budget_training_stops_wherever_it_is_and_for_good(tmp_path: Path) -> None:
    budget._write(tmp_path / budget.NAME, Account(BUDGET_S, num_steps=10_000, trial_s=BUDGET_S - 0.3))
    _, account = train_within(tiny, tmp_path, BUDGET_S)
    assert account.spent_s >= BUDGET_S
    _, again = train_within(tiny, tmp_path, BUDGET_S)
    assert again.spent_s - account.spent_s < 1


def test_another_budget_is_another_run(tmp_path: Path) -> None:
    budget._write(tmp_path / budget.NAME, Account(BUDGET_S, num_steps=1, trial_s=0.0))
    with pytest.raises(ValueError, match="another budget: 2 CPU-seconds"):
        train_within(tiny, tmp_path, 2 * BUDGET_S)
