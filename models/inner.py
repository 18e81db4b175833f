"""The inner loop: gradient descent on a batch of tasks at once, by a rule that is itself learned or fixed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._C import _functorch

from models.types import TaskParams

Loss: TypeAlias = Callable[[TaskParams], Float[Tensor, ""]]  # summed over tasks: each task's gradient is its own
State: TypeAlias = TaskParams  # what a rule remembers between steps, leaves [T, ...]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]  # one task's leaves, the ragged axes (ways) being 1: rates broadcast
STEPS = (
    "_grad_increment_nesting",
    "_grad_decrement_nesting",
    "_wrap_for_grad",
    "_unwrap_for_grad",
    "get_inplace_requires_grad_allowed",
    "set_inplace_requires_grad_allowed",
)
HAS_STEPS = all(hasattr(_functorch, name) for name in STEPS)  # torch promises none of these names


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
        gradients = gradients_of(loss, params)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        params, state = rule.step(k, gradients, state, params)
        yield params


def gradients_of(loss: Loss, params: TaskParams) -> TaskParams:
    """What `torch.func.grad(loss)(params)` answers, zeros where a leaf has no part in the loss.

    By the same steps, but for that function's import of torch's compiler, only to switch it off: more than a second of
    a start. Where nobody can differentiate the gradients in turn, they are made the quicker way that does not allow it.
    A torch whose steps have other names is asked as its documentation says.
    """
    if not HAS_STEPS:
        return cast("TaskParams", torch.func.grad(loss)(params))
    will_differentiate, level = torch.is_grad_enabled(), _functorch._grad_increment_nesting()
    try:
        with torch.enable_grad():
            leaves = [_leaf(leaf, level) for leaf in params.values()]
            value = loss(dict(zip(params, leaves, strict=True)))
            if not value.requires_grad:
                return {name: torch.zeros_like(leaf) for name, leaf in params.items()}
            found = torch.autograd.grad(
                value, leaves, create_graph=will_differentiate, allow_unused=True, materialize_grads=True
            )
            return {name: _functorch._unwrap_for_grad(each, level) for name, each in zip(params, found, strict=True)}
    finally:
        _functorch._grad_decrement_nesting()


def _leaf(leaf: Tensor, level: int) -> Tensor:
    """To be differentiated at this level, whatever it is outside: an inference tensor too."""
    was_allowed = _functorch.get_inplace_requires_grad_allowed()
    _functorch.set_inplace_requires_grad_allowed(True)
    try:
        return _functorch._wrap_for_grad(leaf, level).requires_grad_()
    finally:
        _functorch.set_inplace_requires_grad_allowed(was_allowed)
