"""Stored tasks flow back: a model goes on being meta-trained on the support sets of tasks, and must earn its place."""

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from models.checkpoint import Checkpoint, build
from models.data.episodes import Batch
from models.data.pools import Classes, PoolEpisodes
from models.data.schema import UnusableData
from models.learner import Learner
from models.training.objectives.episodic import Metrics, episodic
from models.training.train import Run
from models.training.vectors import judged

RATES = {"image": 1e-4, "vector": 0.03}  # as for a user's own data
MIN_TRAINED, MIN_HELD = 10, 5  # tasks
HELD_SHARE = 1 / 3
HELD_SEED, HELD_STEPS, HELD_EPISODES = 1, 8, 4  # of each task that is judged by: steps, and episodes a step
WAYS, SHOTS = 10, 5
WORST = -0.01  # of accuracy: the lower end of the 90% interval of the difference must be above


@dataclass(frozen=True)
class TaughtTask:
    """What one task was taught: rows as the model takes them, and their labels."""

    id: str
    rows: Sequence[np.ndarray]
    labels: Sequence[str]

    @property
    def is_usable(self) -> bool:
        """Whether episodes can be made of it: two labels of two examples."""
        return sum(list(self.labels).count(label) >= 2 for label in set(self.labels)) >= 2


@dataclass(frozen=True)
class Verdict:
    """By how much the trained model is better on unseen tasks, and half of the 90% interval over them."""

    before: float
    after: float
    half: float

    @property
    def is_worthy(self) -> bool:
        """Whether it is surely not worse by a point."""
        return self.after - self.before - self.half > WORST

    def __str__(self) -> str:
        gain = 100 * (self.after - self.before)
        return f"{100 * self.before:.1f} -> {100 * self.after:.1f}% ({gain:+.2f} ± {100 * self.half:.2f} points)"


@dataclass(frozen=True)
class FromTasks:
    """A run, the tasks that it trains on, and those that it is judged by."""

    run: Run
    start: Learner
    trained: tuple[str, ...]
    held: tuple[TaughtTask, ...]

    def verdict(self) -> Verdict:
        """The trained learner beside the one that it started from, on the same episodes of each held-out task."""
        return compared(
            *([_accuracy(learner, task) for task in self.held] for learner in (self.start, self.run.learner))
        )


def compared(before: Sequence[float], after: Sequence[float]) -> Verdict:
    """The mean difference, with Student's interval over tasks: the next task of the tenant is another one."""
    gains = np.subtract(after, before)
    half = float(student.ppf(0.95, len(gains) - 1) * gains.std(ddof=1)) / sqrt(len(gains))
    return Verdict(float(np.mean(before)), float(np.mean(after)), half)


def from_tasks(checkpoint: Checkpoint, tenant: str, tasks: Sequence[TaughtTask], num_steps: int = 200) -> FromTasks:
    """Training of this model on a part of the tasks. Raises UnusableData for a model or tasks that it cannot be for."""
    card = checkpoint.card
    if card.modality not in RATES or card.kinds[0] != "classification" or len(card.modalities) > 1:
        raise UnusableData(f"{card.name} cannot be trained on tasks; models of images and of vectors that classify can")
    told_before = {str(id) for id in card.card.get("tasks", [])}
    trained, held = split_tasks([task for task in tasks if task.is_usable], told_before)
    if len(trained) < MIN_TRAINED or len(held) < MIN_HELD:
        raise UnusableData(
            f"there are {len(trained)} tasks to train on and {len(held)} to judge by, of two labels with two examples "
            f"each; at least {MIN_TRAINED} and {MIN_HELD} are needed"
        )
    torch.manual_seed(0)
    learner = build(card.encoder, card.head)  # afresh: what was loaded is frozen
    learner.load_state_dict(checkpoint.learner.state_dict())
    told = {
        "recipe": f"kshot train {card.name} --from-tasks ({num_steps} steps, {__name__})",
        "start": f"{card.name}@{checkpoint.digest[:12]}",
        "tenant": tenant,
        "tasks": [task.id for task in trained],
        "held out tasks": [task.id for task in held],
        "licence": "its weights are as free as the examples they were trained on",
    }
    run = Run(
        card=replace(card, card=told, tasks={}),  # its own tasks were learned with the encoder as it was
        learner=learner,
        objective=_as_served,
        batches=_episodes(trained, 8, 0),
        num_steps=num_steps,
        optimiser="adamw",
        rate=RATES[card.modality],
        warmup_steps=num_steps // 20,
        weight_decay=1e-4,
    )
    return FromTasks(run, checkpoint.learner, tuple(task.id for task in trained), tuple(held))


def split_tasks(tasks: Sequence[TaughtTask], told: Container[str] = ()) -> tuple[list[TaughtTask], list[TaughtTask]]:
    """Tasks to train on and tasks to judge by; those that share an example are on one side; none of `told` judges."""
    groups: list[tuple[set[bytes], list[TaughtTask]]] = []
    for task in tasks:
        keys = {hashlib.sha256(row.tobytes()).digest() for row in task.rows}
        near = [group for group in groups if group[0] & keys]
        groups = [group for group in groups if not group[0] & keys]
        groups.append(
            (keys.union(*(group[0] for group in near)), [task for group in near for task in group[1]] + [task])
        )
    groups.sort(key=lambda group: hashlib.sha256(group[1][0].id.encode()).digest())
    trained: list[TaughtTask] = []
    held: list[TaughtTask] = []
    for _, members in groups:
        is_new = not any(task.id in told for task in members)
        (held if is_new and len(held) + len(members) <= HELD_SHARE * len(tasks) else trained).extend(members)
    return trained, held


def _episodes(tasks: Sequence[TaughtTask], num_tasks: int, seed: int) -> PoolEpisodes:
    """Episodes whose labels are of one task."""
    rows, classes = _pooled(tasks)
    return PoolEpisodes(rows, classes, num_tasks, WAYS, SHOTS, seed=seed, alike=True)


def _pooled(tasks: Sequence[TaughtTask]) -> tuple[Tensor, Classes]:
    rows = np.stack([row for task in tasks for row in task.rows])
    classes: dict[tuple[str, str], list[int]] = {}
    position = 0
    for task in tasks:
        for label in task.labels:
            classes.setdefault((task.id, label), []).append(position)
            position += 1
    return torch.from_numpy(rows), {key: places for key, places in classes.items() if len(places) >= 2}


def _as_served(learner: Learner, batch: Batch) -> Metrics:
    """Episodic training of a finished model: its running statistics stay as they are served."""
    learner.eval()
    return episodic(learner, batch)


def _accuracy(learner: Learner, task: TaughtTask) -> float:
    episodes = _episodes([task], HELD_EPISODES, HELD_SEED)
    learner.eval()
    return float(np.mean([float(judged(learner, episodes(step)).right.mean()) for step in range(HELD_STEPS)]))
