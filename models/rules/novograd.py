"""NovoGrad (Ginsburg et al. 2019): momentum of gradients whose size, leaf by leaf, is divided out."""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from models.inner import Rule, Shapes, State
from models.types import TaskParams

FAINT = 1e-4  # a gradient much smaller than this is noise, and is not blown up to a step


class NovoGrad(Rule):
    """Every step moves a leaf's elements by about `rate`, however steep the loss is for it."""

    def __init__(self, shapes: Shapes, rate: float, memory: float = 0.9) -> None:
        super().__init__()
        self.rate = rate
        self.memory = memory
        self.sizes = {name: prod(shape) for name, shape in shapes.items()}  # of one class: padded ones must not dilute

    def begin(self, params: TaskParams) -> State:
        """No momentum, and no size of gradients seen."""
        return {
            **{_direction(name): torch.zeros_like(leaf) for name, leaf in params.items()},
            **{_size(name): leaf.new_zeros(len(leaf), *[1] * (leaf.ndim - 1)) for name, leaf in params.items()},
        }

    def step(self, k: int, gradients: TaskParams, state: State, params: TaskParams) -> tuple[TaskParams, State]:
        """Running means of gradients and of their squared size, both as if they had run for ever."""
        share = 1 - self.memory ** (k + 1)
        state = {
            **{_direction(name): self._fade(state[_direction(name)], grad) for name, grad in gradients.items()},
            **{
                _size(name): self._fade(state[_size(name)], self._square(name, grad))
                for name, grad in gradients.items()
            },
        }
        moved = {
            name: leaf - self.rate / share * state[_direction(name)] / ((state[_size(name)] / share).sqrt() + FAINT)
            for name, leaf in params.items()
        }
        return moved, state

    def _square(self, name: str, gradient: Float[Tensor, "T ..."]) -> Float[Tensor, "T ..."]:
        """The mean square over a leaf, one a task."""
        square = gradient.flatten(1).square().sum(1) / self.sizes[name]
        return square.view(len(gradient), *[1] * (gradient.ndim - 1))

    def _fade(self, kept: Float[Tensor, "..."], new: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return self.memory * kept + (1 - self.memory) * new


def _direction(name: str) -> str:
    return f"{name} direction"


def _size(name: str) -> str:
    return f"{name} size"
