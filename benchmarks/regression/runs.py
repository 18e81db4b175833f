"""Training runs that can be cut short at any moment, and what they cost in CPU-seconds."""

import time
from pathlib import Path

import torch

from models.learner import Learner
from models.training.resume import write
from models.training.train import Run, train

SLICE_S = 60.0  # of training between notes of its cost
COST = "cpu_s.txt"


def trained(run: Run, folder: Path) -> Learner:
    """The trained learner; a run that was finished is not made again, one that was cut short goes on."""
    torch.set_num_threads(1)
    learns = any(leaf.requires_grad for leaf in run.learner.parameters())
    while learns:
        began, before = time.process_time(), cpu_s(folder)
        learns = not train(run, folder, max_seconds=SLICE_S)
        write(folder / COST, f"{before + time.process_time() - began:.2f}".encode())
    return run.learner.eval()


def cpu_s(folder: Path) -> float:
    """What the run in this folder has cost, as far as was noted: at most a slice of it is missing."""
    path = folder / COST
    return float(path.read_text("utf-8")) if path.is_file() else 0.0
