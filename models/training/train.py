"""The trainer: owns the optimiser, the schedule, the log and resuming. Randomness is by (seed, step)."""

import csv
import ctypes
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.card import Card
from models.learner import Learner
from models.training.lanes import Lanes
from models.training.objectives.episodic import Metrics, Objective

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # from malloc.h


@dataclass(frozen=True)
class Run:
    """All that a training run needs; recipes make these."""

    card: Card  # how to rebuild the learner, and what to say of it
    learner: Learner
    objective: Objective
    batches: Callable[[int], Any]  # step -> batch, by (seed, step) alone
    num_steps: int
    rate: float
    validate: Callable[[Learner], Metrics] | None = None
    optimiser: str = "sgd"  # a row of OPTIMISERS
    warmup_steps: int = 0
    schedule_steps: int | None = None  # where the rate reaches zero, if not at the end
    weight_decay: float = 0.0
    num_lanes: int = 1  # threads, each with a batch of its own: a step sees this many batches
    seed: int = 0
    validate_steps: int = 500
    save_steps: int = 200
    max_norm: float = 10.0
    stop: Callable[[], bool] | None = None  # the objective's own end, before the last step
    finish: Callable[[Learner], None] | None = None  # what is set when training has ended


OPTIMISERS: Mapping[str, Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]] = {
    "sgd": lambda groups, rate: torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True),
    "adamw": lambda groups, rate: torch.optim.AdamW(groups, rate),
}


def train(run: Run, folder: Path, max_seconds: float = math.inf) -> bool:
    """Train `run.learner` in place, resuming from `folder` if a run was cut short there; True when it is finished."""
    _keep_memory()
    folder.mkdir(parents=True, exist_ok=True)
    objective = run.objective if isinstance(run.objective, nn.Module) else nn.Module()
    trained = nn.ModuleDict({"learner": run.learner, "objective": objective})
    trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    optimiser = OPTIMISERS[run.optimiser](_groups(trained, run.weight_decay), run.rate)
    saved = folder / "resume.safetensors"
    first = _resume(saved, trained, optimiser) if saved.is_file() else 0
    lanes = Lanes(trained, run.objective, run.num_lanes)  # after resuming: each lane copies the running statistics
    deadline = time.monotonic() + max_seconds
    with _progress() as progress, (folder / "log.csv").open("a", newline="") as log:
        bar = progress.add_task("train", total=run.num_steps, completed=first, figures="")
        for step in range(first, run.num_steps):
            if run.stop is not None and run.stop():
                _save(saved, step, trained, optimiser)
                break
            metrics = _step(run, lanes, optimiser, step)
            done = step + 1
            if run.validate and (done % run.validate_steps == 0 or done == run.num_steps):
                metrics = {**metrics, **_validated(run.validate, run.learner)}
            if done % 20 == 0 or done == run.num_steps:
                csv.writer(log).writerow([done, *(f"{name}={value:.4f}" for name, value in metrics.items())])
                log.flush()
            progress.update(bar, completed=done, figures=" ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
            if done % run.save_steps == 0 or done == run.num_steps or time.monotonic() > deadline:
                _save(saved, done, trained, optimiser)
            if time.monotonic() > deadline:
                return done == run.num_steps
    run.learner.eval()
    if run.finish is not None:
        run.finish(run.learner)
    return True


def rate_at(run: Run, step: int) -> float:
    """Linear warm-up, then a half cosine to zero."""
    length = run.schedule_steps or run.num_steps
    warm = min(1.0, (step + 1) / max(1, run.warmup_steps))
    return run.rate * warm * 0.5 * (1 + math.cos(math.pi * step / length))


def _step(run: Run, lanes: Lanes, optimiser: torch.optim.Optimizer, step: int) -> Metrics:
    torch.manual_seed(run.seed * 1_000_003 + step)
    for group in optimiser.param_groups:
        group["lr"] = rate_at(run, step)
    for replica in lanes.replicas:
        replica.train()
    metrics = lanes.backward(run.batches, step)
    norm = nn.utils.clip_grad_norm_(lanes.trained.parameters(), run.max_norm)
    optimiser.step()
    return {**metrics, "norm": norm.item()}


def _groups(trained: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and filters decay; norms, biases and scales do not."""
    params = list(trained.parameters())
    return [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _validated(validate: Callable[[Learner], Metrics], learner: Learner) -> Metrics:
    learner.eval()
    with torch.inference_mode():
        return validate(learner)


def _save(path: Path, step: int, trained: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Whole or not at all: written beside, flushed, then renamed."""
    tensors = {f"trained.{name}": leaf for name, leaf in trained.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": leaf for name, leaf in state.items()}
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        file.write(save({name: leaf.contiguous() for name, leaf in tensors.items()}, {"step": str(step)}))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _resume(path: Path, trained: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = defaultdict(dict)
    with safe_open(path, "pt") as file:
        step = int(file.metadata()["step"])
        for name in file.keys():  # noqa: SIM118 - this file is no mapping
            kind, rest = name.split(".", 1)
            if kind == "trained":
                weights[rest] = file.get_tensor(name)
            else:
                number, key = rest.split(".", 1)
                state[int(number)][key] = file.get_tensor(name)
    trained.load_state_dict(weights)
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return step


def _progress() -> Progress:
    left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*left, TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[figures]}"))


def _keep_memory() -> None:
    """Ask glibc to keep freed memory: mapping it anew at every step costs a convolution net a third of its speed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
