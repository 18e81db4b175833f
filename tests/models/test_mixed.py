"""Tasks of both kinds in one batch of predictions: the laws that hold of one kind hold of both together."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from models.checkpoint import build
from models.learner import Learner
from models.types import Either, TaskParams
from tests.models.laws import close, trimmed
from tests.models.tasks import Task, rows_of, support_of, vector_task
from tests.models.test_laws import BOTH, IN_OWN_UNITS, MLP, STEMS

ROWS = {"both, mlp": (MLP, BOTH), "in own units, stems": (STEMS, IN_OWN_UNITS)}


def value_task(seed: int, shots: int) -> Task:
    """Two numbers of each of the rows of vector_task."""
    task = vector_task(seed, shots=shots)
    return replace(task, targets=3 * task.support[:, :2] + 1, answers=3 * task.query[:, :2] + 1)


TASKS = [vector_task(1), value_task(2, shots=3), vector_task(3, ways=2, shots=6), value_task(4, shots=5)]


@pytest.fixture(params=[*ROWS.values()], ids=[*ROWS], scope="module")
def learner(request: pytest.FixtureRequest) -> Learner:
    """A head of two."""
    torch.manual_seed(0)
    return build(*request.param).eval()


def adapted(learner: Learner, tasks: Sequence[Task]) -> list[TaskParams]:
    """Each alone, as it is stored: a batch to adapt is of one kind."""
    with torch.inference_mode():
        each = [learner.adapt(support_of([task])) for task in tasks]
    return [trimmed(learner.head.layout, params, 0, task) for params, task in zip(each, tasks, strict=True)]


def together(each: Sequence[TaskParams], extra: int = 0) -> TaskParams:
    """One batch, zero where a task has nothing, and `extra` beyond on each side that is ragged."""
    batch = {}
    for name in each[0]:
        leaves = [params[name] for params in each]
        sizes = [max(sides) for sides in zip(*(leaf.shape for leaf in leaves), strict=True)]
        ragged = [size + extra * (len({leaf.shape[axis] for leaf in leaves}) > 1) for axis, size in enumerate(sizes)]
        batch[name] = leaves[0].new_zeros((len(leaves), *ragged))
        for t, leaf in enumerate(leaves):
            batch[name][t][tuple(map(slice, leaf.shape))] = leaf
    return batch


def answers(learner: Learner, tasks: Sequence[Task], each: Sequence[TaskParams], extra: int = 0) -> list[Tensor]:
    """Per task, of its own kind: logits [Q N], or mean and variance [Q O 2]."""
    with torch.inference_mode():
        found = learner.predict(together(each, extra), rows_of([task.query for task in tasks], extra))
    assert isinstance(found, Either)
    logits, values = found.logits.values, torch.stack([found.values.mean, found.values.variance], -1)
    ways = [task.ways for task in tasks]
    assert not any(torch.isfinite(logits[t, :, way:]).any() for t, way in enumerate(ways))
    return [
        logits[t, : len(task.query), : task.ways]
        if task.ways
        else values[t, : len(task.query), : task.answers.shape[1]]
        for t, task in enumerate(tasks)
    ]


def test_neighbours_of_the_other_kind_change_nothing(learner: Learner) -> None:
    each = adapted(learner, TASKS)
    for pair in ((0, 1), (2, 3), (0, 3)):
        few = answers(learner, [TASKS[t] for t in pair], [each[t] for t in pair])
        for t, found in zip(pair, few, strict=True):
            close(answers(learner, TASKS, each)[t], found)


def test_padding_changes_nothing(learner: Learner) -> None:
    each = adapted(learner, TASKS)
    for plain, padded in zip(answers(learner, TASKS, each), answers(learner, TASKS, each, extra=3), strict=True):
        close(plain, padded)


def test_a_query_is_answered_whatever_the_others_are(learner: Learner) -> None:
    each = adapted(learner, TASKS)
    alone = answers(learner, [replace(task, query=task.query[[1]]) for task in TASKS], each)
    for many, one in zip(answers(learner, TASKS, each), alone, strict=True):
        close(many[[1]], one)


def test_what_is_stored_predicts_bit_for_bit_the_same_and_predicting_changes_nothing(learner: Learner) -> None:
    each = adapted(learner, TASKS)
    state = {name: leaf.clone() for name, leaf in learner.state_dict().items()}
    before = answers(learner, TASKS, each)
    after = answers(learner, TASKS, [load(save(params)) for params in each])
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(torch.equal(leaf, learner.state_dict()[name]) for name, leaf in state.items())


def test_it_runs_on_no_device(learner: Learner) -> None:
    away, rows = copy.deepcopy(learner).to("meta"), rows_of([task.query for task in TASKS], device="meta")
    params = {name: leaf.to("meta") for name, leaf in together(adapted(learner, TASKS)).items()}
    with torch.inference_mode():
        found = away.predict(params, rows)
    assert isinstance(found, Either) and found.logits.values.is_meta and found.values.mean.is_meta
