"""Data-parallel training: in each process a thread a core, each with its own batch, all on the same weights.

Small convolutions gain little from two threads on one operation, and stall when another process takes a core away;
one lane a core was 38% faster on two cores. The gradients are summed in lane order, so that a run repeats bit by bit.
Across processes the sums are exchanged by hand: DistributedDataParallel hangs its exchange on calls of the module,
and functional calls, of which adapting is made, never pass there.
"""

import copy
import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from models.learner import Learner
from models.training.objectives.episodic import Metrics, Objective
from models.training.ranks import ALONE, Ranks

Value = TypeVar("Value")


class Lanes:
    """Replicas of what is trained: they share its parameters, and own their gradients and running statistics."""

    def __init__(self, trained: nn.Module, objective: Objective, num_lanes: int, ranks: Ranks = ALONE) -> None:
        self.trained = trained
        self.ranks = ranks
        self.replicas = [trained, *(_replica(trained) for _ in range(num_lanes - 1))]
        self.objective = None if isinstance(objective, nn.Module) else objective
        self.threads = ThreadPoolExecutor(num_lanes)

    @property
    def num_batches(self) -> int:
        """Batches of one step: one a lane of each process."""
        return len(self.replicas) * self.ranks.size

    def backward(self, batches: Callable[[int], Any], step: int) -> tuple[Metrics, int]:
        """Fill the gradients with the mean over the batches of a step: the mean of their metrics, their episodes."""
        first = step * self.num_batches + self.ranks.rank * len(self.replicas)

        def run(lane: int) -> tuple[Metrics, int]:
            torch.set_num_threads(1)  # a setting of this thread
            replica = cast(nn.ModuleDict, self.replicas[lane])
            replica.zero_grad()
            objective = self.objective or replica["objective"]
            batch = moved(batches(first + lane), self.ranks.device)
            return objective(cast(Learner, replica["learner"]), batch), getattr(batch, "num_episodes", 1)

        done = list(self.threads.map(run, range(len(self.replicas))))
        with torch.no_grad():
            self._average([[p.grad for p in replica.parameters() if p.grad is not None] for replica in self.replicas])
            self._average([[b for b in replica.buffers() if b.is_floating_point()] for replica in self.replicas])
        names = list(done[0][0])
        sums = torch.tensor(
            [sum(metrics[name] for metrics, _ in done) for name in names] + [sum(number for _, number in done)],
            dtype=torch.float64,
        )
        self.ranks.add([sums])
        *totals, episodes = sums.tolist()
        return {name: total / self.num_batches for name, total in zip(names, totals, strict=True)}, int(episodes)

    def _average(self, tensors: list[list[Tensor]]) -> None:
        """Put the mean over the lanes of all processes into every lane."""
        for first, *others in zip(*tensors, strict=True):
            for other in others:
                first += other
        self.ranks.add(tensors[0])
        for first, *others in zip(*tensors, strict=True):
            first /= self.num_batches
            for other in others:
                other.copy_(first)


def moved(value: Value, device: torch.device) -> Value:
    """A batch with every tensor in it on this device."""
    if isinstance(value, Tensor):
        return cast(Value, value.to(device))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {each.name: moved(getattr(value, each.name), device) for each in dataclasses.fields(value)}
        return cast(Value, dataclasses.replace(value, **parts))
    return value


def _replica(trained: nn.Module) -> nn.Module:
    replica = copy.deepcopy(trained)
    for own, shared in zip(replica.parameters(), trained.parameters(), strict=True):
        own.data = shared.data
    return replica
