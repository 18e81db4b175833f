"""The trainer: owns the optimiser, the schedule, the log and resuming. Randomness is by (seed, step, task)."""

import copy
import ctypes
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.card import Card
from models.learner import Learner
from models.training import resume
from models.training.lanes import Lanes
from models.training.objectives.episodic import Metrics, Objective
from models.training.ranks import ALONE, Ranks
from models.training.watch import Watch
from models.types import TaskParams

LOG_STEPS = 20
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
    tasks: Callable[[], Mapping[str, TaskParams]] | None = None  # those that belong to the model, once it is finished
    beside: Mapping[str, "Run"] = field(default_factory=dict)  # what is trained too, and shown beside
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what the recipe was asked for


OPTIMISERS: Mapping[str, Callable[[list[dict[str, Any]], float], torch.optim.Optimizer]] = {
    "sgd": lambda groups, rate: torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True),
    "adamw": lambda groups, rate: torch.optim.AdamW(groups, rate),
}


def train(run: Run, folder: Path, max_seconds: float = math.inf, ranks: Ranks = ALONE) -> bool:
    """Train `run.learner` in place, going on from where a run in `folder` was cut short; True when it is finished.

    Raises NotResumable where the folder holds another run. Of several processes the first alone writes.
    """
    keep_memory()
    folder.mkdir(parents=True, exist_ok=True)
    objective = run.objective if isinstance(run.objective, nn.Module) else nn.Module()
    trained = nn.ModuleDict({"learner": run.learner, "objective": objective}).to(ranks.device)
    trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from the stubs
    optimiser = OPTIMISERS[run.optimiser](_groups(trained, run.weight_decay), run.rate)
    config = config_of(run, ranks)
    path = folder / resume.NAME
    first = _resumed(path, config, trained, optimiser, ranks)
    lanes = Lanes(trained, run.objective, run.num_lanes, ranks)  # each lane copies the running statistics
    deadline = time.monotonic() + max_seconds
    with Watch(folder, first, run.num_steps) if ranks.first else nullcontext() as watch:
        for step in range(first, run.num_steps):
            if run.stop is not None and run.stop():  # alike in all processes: what objectives remember is averaged
                if watch:
                    resume.write(path, resume.pack(step, config, trained, optimiser))
                    watch.saved(True)
                break
            metrics, episodes = _step(run, lanes, optimiser, step)
            done = step + 1
            last = done == run.num_steps
            late = max_seconds < math.inf and bool(ranks.from_first(bytes(time.monotonic() > deadline)))
            if watch:
                judged = run.validate is not None and (last or done % run.validate_steps == 0)
                figures = {**metrics, **_validated(run, ranks)} if judged else metrics
                watch.saw(done, figures, episodes, note=last or judged or done % LOG_STEPS == 0)
                if last or late or done % run.save_steps == 0:
                    resume.write(path, resume.pack(done, config, trained, optimiser))
                    watch.saved(last)
            if late and not last:
                return False
    trained.to("cpu")
    run.learner.eval()
    if run.finish is not None:
        run.finish(run.learner)
    return True


def config_of(run: Run, ranks: Ranks = ALONE) -> dict[str, Any]:
    """All that a run's weights depend on, as far as it can be named: what a resumed run must agree in."""
    named = ("num_steps", "rate", "optimiser", "warmup_steps", "schedule_steps", "weight_decay", "max_norm", "seed")
    parts = ("name", "inputs", "encoder", "head")
    return {
        **{name: getattr(run.card, name) for name in parts},
        **{name: getattr(run, name) for name in named},
        "batches of a step": run.num_lanes * ranks.size,
        "data": run.card.card.get("data"),
        "arguments": dict(run.arguments),
    }


def _resumed(
    path: Path, config: Mapping[str, Any], trained: nn.Module, optimiser: torch.optim.Optimizer, ranks: Ranks
) -> int:
    """Put every process where the first one's file says the run stands; the steps already done."""
    content = ranks.from_first(path.read_bytes() if ranks.first and path.is_file() else b"")
    if not content:
        return 0
    try:
        standing = resume.unpack(content)
        resume.check(standing, config)
    except resume.NotResumable as error:
        raise resume.NotResumable(f"{path.parent} cannot be gone on with: {error}") from None
    resume.restore(standing, trained, optimiser)
    return standing.step


def rate_at(run: Run, step: int) -> float:
    """Linear warm-up, then a half cosine to zero."""
    length = run.schedule_steps or run.num_steps
    warm = min(1.0, (step + 1) / max(1, run.warmup_steps))
    return run.rate * warm * 0.5 * (1 + math.cos(math.pi * step / length))


def _step(run: Run, lanes: Lanes, optimiser: torch.optim.Optimizer, step: int) -> tuple[Metrics, int]:
    torch.manual_seed(run.seed * 1_000_003 + step)
    for group in optimiser.param_groups:
        group["lr"] = rate_at(run, step)
    for replica in lanes.replicas:
        replica.train()
    metrics, episodes = lanes.backward(run.batches, step)
    norm = nn.utils.clip_grad_norm_(lanes.trained.parameters(), run.max_norm)
    optimiser.step()
    return {**metrics, "norm": norm.item()}, episodes


def _groups(trained: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and filters decay; norms, biases and scales do not."""
    params = list(trained.parameters())
    return [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _validated(run: Run, ranks: Ranks) -> Metrics:
    """What the run's own validation says of its learner, on the CPU, where validations have their data."""
    learner = run.learner if ranks.device.type == "cpu" else copy.deepcopy(run.learner).to("cpu")
    learner.eval()
    assert run.validate
    with torch.inference_mode():
        return run.validate(learner)


def keep_memory() -> None:
    """Ask glibc to keep freed memory: mapping it anew at every step costs a convolution net a third of its speed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
