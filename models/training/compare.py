"""A run and what is to be trained beside it: what each comes to, and what it cost."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from models.training.objectives.episodic import Metrics
from models.training.train import Run, train

COST = "cpu_s.json"


@dataclass(frozen=True)
class Compared:
    """One row: what the validation of the run says, and the CPU-seconds that it took."""

    figures: Metrics
    cpu_s: float


def compared(run: Run, name: str, folder: Path) -> dict[str, Compared]:
    """The run by its name, trained in `folder`, and those beside it, each in a folder of its own below that."""
    return {each: _trained(own, folder_of(folder, each, run)) for each, own in {**run.beside, name: run}.items()}


def folder_of(folder: Path, name: str, run: Run) -> Path:
    """Where this one is trained, of the run and those beside it."""
    return folder / "beside" / name if name in run.beside else folder


def _trained(run: Run, folder: Path) -> Compared:
    """A run that was finished is not made again; one of no steps is what initialising makes."""
    cost, spent = folder / COST, 0.0
    if run.num_steps:
        before = json.loads(cost.read_text("utf-8")) if cost.is_file() else 0.0
        began = time.process_time()
        train(replace(run, validate_steps=run.num_steps + 1, validate=None), folder)
        spent = before + time.process_time() - began
        cost.write_text(json.dumps(spent), "utf-8")
    run.learner.eval()
    assert run.validate
    with torch.inference_mode():
        return Compared(run.validate(run.learner), spent)
