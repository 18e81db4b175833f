"""Data-parallel training inside one process: a thread a core, each with its own batch, all on the same weights.

Small convolutions gain little from two threads on one operation, and stall when another process takes a core away;
one lane a core was 38% faster on two cores. The gradients are summed in lane order, so that a run repeats bit by bit.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from models.learner import Learner
from models.training.objectives.episodic import Metrics, Objective

Result = TypeVar("Result")


class Lanes:
    """Replicas of what is trained: they share its parameters, and own their gradients and running statistics."""

    def __init__(self, trained: nn.Module, objective: Objective, num_lanes: int) -> None:
        self.trained = trained
        self.replicas = [trained, *(_replica(trained) for _ in range(num_lanes - 1))]
        self.objective = None if isinstance(objective, nn.Module) else objective
        self.threads = ThreadPoolExecutor(num_lanes)

    def backward(self, batches: Callable[[int], Any], step: int) -> Metrics:
        """Fill the gradients with the mean over one batch a lane; returns the mean of the metrics."""
        num = len(self.replicas)

        def run(lane: int) -> Metrics:
            torch.set_num_threads(1)  # a setting of this thread
            replica = cast(nn.ModuleDict, self.replicas[lane])
            replica.zero_grad()
            objective = self.objective or replica["objective"]
            return cast(Metrics, objective(cast(Learner, replica["learner"]), batches(step * num + lane)))

        metrics = list(self.threads.map(run, range(num)))
        with torch.no_grad():
            _average([[p.grad for p in replica.parameters() if p.grad is not None] for replica in self.replicas])
            _average([[b for b in replica.buffers() if b.is_floating_point()] for replica in self.replicas])
        return {name: sum(each[name] for each in metrics) / num for name in metrics[0]}


def _replica(trained: nn.Module) -> nn.Module:
    replica = copy.deepcopy(trained)
    for own, shared in zip(replica.parameters(), trained.parameters(), strict=True):
        own.data = shared.data
    return replica


def _average(tensors: list[list[Tensor]]) -> None:
    """Put the mean over the lanes into every lane."""
    for first, *others in zip(*tensors, strict=True):
        for other in others:
            first += other
        first /= len(tensors)
        for other in others:
            other.copy_(first)
