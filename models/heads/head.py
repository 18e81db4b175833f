"""The contract of a head: all that a task changes, as three pure functions over a batch of tasks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.types import Classes, Rows, Scores, Support, TaskParams, Values


class Head(nn.Module, ABC):
    """Adapts a batch of tasks and predicts for it. Every method is pure: no attribute is written.

    `layout` names the axes after T of each leaf of the params, such as {"weight": "N D"}; a number is a size that
    never varies. The letters N (ways) and S (support rows) are ragged: a batch pads them, storage trims them. Heads
    over classes carry the bool leaf "ways".
    """

    layout: Mapping[str, str]
    takes_names: bool = False  # whether rows of the support may be names of labels instead of examples
    balance: float = 0.0  # scores expect labels in proportion to this power of their numbers of examples
    factors: Sequence[str] = ()  # leaves in which the logits are linear: divided by a number, they divide the logits

    @abstractmethod
    def start(self, support: Support) -> TaskParams:
        """The params before any example is seen: the learned initial value, or the prior's mean."""

    @abstractmethod
    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """The params after each inner step, the last of them adapted; a closed form is one step.

        The iterator lets a server pause between steps and a multi-step loss weigh them all.
        """

    @abstractmethod
    def predict(self, params: TaskParams, query: Rows) -> Scores:
        """Scores of each query row under its own task's params."""

    @final
    def adapt(self, support: Support, start: TaskParams | None = None) -> TaskParams:
        """The adapted params; from `start`, or where a new task starts."""
        adapted = begin = self.start(support) if start is None else start
        for adapted in self.steps(support, begin):  # noqa: B007 - the last one is the answer
            pass
        return adapted


def tempered(head: Head, params: TaskParams, temperature: Float[Tensor, "T"]) -> TaskParams:
    """The params whose logits are each task's own divided by its temperature (Guo et al. 2017); no label changes."""
    scaled = {leaf: params[leaf] / temperature.view(-1, *[1] * (params[leaf].ndim - 1)) for leaf in head.factors}
    return {**params, **scaled}


def classes_of(support: Support) -> Classes:
    """The support's classes; TypeError where the target is of another kind."""
    if not isinstance(support.target, Classes):
        raise TypeError("this head classifies: its support must carry classes")
    return support.target


def values_of(support: Support) -> Values:
    """The support's numeric targets; TypeError where the target is of another kind."""
    if not isinstance(support.target, Values):
        raise TypeError("this head regresses: its support must carry values")
    return support.target


def mask_absent(logits: Float[Tensor, "T R N"], ways: Bool[Tensor, "T N"]) -> Float[Tensor, "T R N"]:
    """Minus infinity for the ways that a task does not have."""
    return logits.masked_fill(~ways.unsqueeze(1), -torch.inf)
