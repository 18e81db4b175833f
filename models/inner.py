"""The inner loop: gradient descent on a batch of tasks at once, by a rule that is itself learned or fixed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.types import TaskParams

Loss: TypeAlias = Callable[[TaskParams], Float[Tensor, ""]]  # summed over tasks: each task's gradient is its own
State: TypeAlias = TaskParams  # what a rule remembers between steps, leaves [T, ...]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]  # one task's leaves, the ragged axes (ways) being 1: rates broadcast


class Rule(nn.Module, ABC):
    """How a gradient moves the params. Built from the shapes of the leaves it will move; every method is pure."""

    def begin(self, params: TaskParams) -> State:
        """What the rule remembers before the first step."""
        return {}

    @abstractmethod
    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """The params and the state after step `k`, counted from zero."""


def descend(
    loss: Loss, start: TaskParams, rule: Rule, num_steps: int, first_order: bool = False
) -> Iterator[TaskParams]:
    """The params after each of `num_steps` steps down the loss.

    Works under inference mode; otherwise the result is differentiable in `start` and in the rule, to the second
    order unless `first_order` treats the gradients as constants (FOMAML).
    """
    params, state = start, rule.begin(start)
    for k in range(num_steps):
        gradients: TaskParams = torch.func.grad(loss)(params)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        params, state = rule.step(k, gradients, state, params)
        yield params
