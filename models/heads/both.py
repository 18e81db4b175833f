"""Two heads in one: tasks with classes go to the first, tasks with numeric targets to the second."""

from collections.abc import Iterator

import torch

from models.heads.head import Head
from models.types import Classes, Either, Gaussian, Logits, Rows, Scores, Support, TaskParams, Values

PREFIX = "values."


class Both(Head):
    """A product of heads, so that one model serves both kinds of task: each task uses the leaves of its own kind.

    Those of the other kind are empty where they have an axis of ways or outputs, and zero elsewhere. A batch to adapt
    is of one kind; predictions of both kinds share a batch.
    """

    def __init__(self, classes: Head, values: Head) -> None:
        super().__init__()
        self.classes, self.values = classes, values
        self.takes_names, self.balance, self.factors = classes.takes_names, classes.balance, classes.factors
        self.layout = {**classes.layout, **{PREFIX + name: axes for name, axes in values.layout.items()}}

    def start(self, support: Support) -> TaskParams:
        """Where the head of the task's kind starts."""
        if isinstance(support.target, Values):
            return _joined(_empty(self.classes, _one_class(support)), self.values.start(support))
        return _joined(self.classes.start(support), _empty(self.values, _zeros(support)))

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """The steps of the head of the task's kind."""
        classes, values = _parted(start)
        if isinstance(support.target, Values):
            yield from (_joined(classes, params) for params in self.values.steps(support, values))
        else:
            yield from (_joined(params, values) for params in self.classes.steps(support, classes))

    def predict(self, params: TaskParams, query: Rows) -> Scores:
        """Scores of the tasks' kind; of both kinds, where tasks of both are in the batch."""
        classes, values = _parted(params)
        regresses = self._num_outputs(values) > 0
        if not regresses:
            return self.classes.predict(classes, query)
        found = self.values.predict(values, query)
        if params["ways"].shape[1] == 0:
            return found
        logits = self.classes.predict(classes, query)
        assert isinstance(logits, Logits) and isinstance(found, Gaussian)
        return Either(logits, found)

    def _num_outputs(self, values: TaskParams) -> int:
        leaf, axes = next((leaf, axes.split()) for leaf, axes in self.values.layout.items() if "O" in axes.split())
        return values[leaf].shape[1 + axes.index("O")]


def _joined(classes: TaskParams, values: TaskParams) -> TaskParams:
    return {**classes, **{PREFIX + name: leaf for name, leaf in values.items()}}


def _parted(params: TaskParams) -> tuple[TaskParams, TaskParams]:
    """The leaves of classes, and those of values."""
    values = {name.removeprefix(PREFIX): leaf for name, leaf in params.items() if name.startswith(PREFIX)}
    return {name: leaf for name, leaf in params.items() if not name.startswith(PREFIX)}, values


def _one_class(support: Support) -> Support:
    mask = support.rows.mask
    return Support(support.rows, Classes(torch.zeros_like(mask, dtype=torch.int64), mask.new_ones(len(mask), 1)))


def _zeros(support: Support) -> Support:
    return Support(support.rows, Values(torch.zeros_like(support.rows.mask, dtype=torch.float32).unsqueeze(-1)))


def _empty(head: Head, support: Support) -> TaskParams:
    """The leaves of a task that this head has nothing to do with: zeros, and no way or output of them."""
    leaves = {}
    for name, leaf in head.start(support).items():
        axes = ["T", *head.layout[name].split()]
        sizes = [0 if axis in ("N", "O") else size for axis, size in zip(axes, leaf.shape, strict=True)]
        leaves[name] = leaf.new_zeros(sizes)
    return leaves
