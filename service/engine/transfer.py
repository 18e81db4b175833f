"""Tasks that may learn from others: each chooses by itself, so that nobody else's task can change its bits."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.transfer import Lesson, choose, support_of
from models.types import TaskParams
from service.engine.arrays import Adapted, Array, LabelledArrays, OtherArrays
from service.engine.collate import to_device, trim
from service.engine.compute import Compute
from service.engine.forecasting import temperature_of


def transfer(compute: Compute, digest: str, tasks: Sequence[LabelledArrays]) -> Generator[None, None, list[Adapted]]:
    """The adapted params of each task, with those of the others that are surely of use, and without any."""
    made = []
    for task in tasks:
        made.append((yield from _one(compute, digest, task)))
    return made


def _one(compute: Compute, digest: str, task: LabelledArrays) -> Generator[None, None, Adapted]:
    head, device = compute.learners[digest].head, compute.device
    own = _lesson(task.rows, task.classes if task.values is None else task.values, device)
    if task.names is not None:
        own = Lesson(own.rows, own.target, to_device(task.names, device))
    others = [
        _lesson(other.rows, other.classes if other.values is None else other.values, device) for other in task.others
    ]
    chosen = yield from choose(head, own, others, task.num_ways)
    alone = yield from _adapted(compute, digest, own, task)
    if not chosen:
        return alone
    joined = own.with_others([others[place] for place in chosen])
    learned = [task.others[place] for place in chosen]
    both = yield from _adapted(compute, digest, joined, _with_others(task, learned))
    # what would be expected of it by folds that hold others' examples is not known to be true
    return replace(both, chosen=tuple(chosen), forecast=None, own=replace(alone, forecast=None))


def _lesson(rows: Array, target: Array | None, device: torch.device) -> Lesson:
    assert target is not None
    values = to_device(rows, device)
    return Lesson(values.float() if values.is_floating_point() else values, to_device(target, device))


def _with_others(task: LabelledArrays, others: Sequence[OtherArrays]) -> LabelledArrays:
    """The task as if what the others were taught were its own, of which none is the name of a label."""
    rows = np.concatenate([task.rows, *(each.rows for each in others)])
    classes = _joined(task.classes, [each.classes for each in others])
    values = _joined(task.values, [each.values for each in others])
    names = None if task.names is None else np.pad(task.names, (0, len(rows) - len(task.rows)))
    return replace(task, rows=rows, classes=classes, values=values, names=names)


def _joined(own: Array | None, others: Sequence[Array | None]) -> Array | None:
    return None if own is None else np.concatenate([own, *(each for each in others if each is not None)])


def _adapted(compute: Compute, digest: str, lesson: Lesson, task: LabelledArrays) -> Generator[None, None, Adapted]:
    """What a task with these examples would be that did not ask for others."""
    head, params = compute.learners[digest].head, dict[str, Tensor]()
    support = support_of(lesson, task.num_ways)
    for params in head.steps(support, head.start(support)):  # noqa: B007 - the last is the answer
        yield
    params, told = yield from compute.appraised(digest, support, params, [task])
    on_host: TaskParams = {leaf: value.to("cpu") for leaf, value in params.items()}
    own_params = trim(on_host, head.layout, 0, {"N": task.num_ways, "S": len(lesson.rows)})
    return Adapted(own_params, None, forecast=told[0], temperature=temperature_of(told[0]))
