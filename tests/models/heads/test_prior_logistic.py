"""The head of named labels: names beside examples and alone, several labels a row, unknowns; neighbours and padding."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.heads.bounded import fit
from models.heads.prior_logistic import PriorLogistic
from models.types import Classes, Logits, MultiHot, Support
from tests.models.laws import close
from tests.models.tasks import Task, rows_of, support_of, vector_task


def centres(task: Task) -> Tensor:
    return torch.stack([task.query[task.answers == way].mean(0) for way in range(task.ways)])


def named(task: Task) -> Task:
    """The task with a name behind its examples for each label."""
    return replace(
        task,
        support=torch.cat([task.support, centres(task)]),
        targets=torch.cat([task.targets, torch.arange(task.ways)]),
    )


def support_with_names(tasks: list[Task], extra: int = 0) -> Support:
    support = support_of([named(task) for task in tasks], extra)
    place = torch.arange(support.rows.mask.shape[1])
    first = torch.tensor([[len(task.support)] for task in tasks])
    return replace(support, names=(place >= first) & support.rows.mask)


def with_several(support: Support) -> Support:
    """Rows of the second label also carry the first."""
    assert isinstance(support.target, Classes)
    own = support.target.one_hot(support.rows.mask).bool()
    own[..., 0] |= own[..., 1]
    return replace(support, target=MultiHot(own, support.target.ways))


def answers(head: PriorLogistic, support: Support, tasks: list[Task], extra: int = 0) -> list[Tensor]:
    """Of each task's queries: the logits and, last, the one of being unknown."""
    with torch.inference_mode():
        scores = head.predict(head.adapt(support), rows_of([task.query for task in tasks], extra))
    assert scores.unknown is not None
    both = zip(scores.values, scores.unknown.unsqueeze(-1), tasks, strict=True)
    return [torch.cat([v[: len(t.query), : t.ways], u[: len(t.query)]], -1) for v, u, t in both]


MAKE: dict[str, Callable[[list[Task], int], Support]] = {
    "examples": support_of,
    "names": support_with_names,
    "several": lambda tasks, extra: with_several(support_with_names(tasks, extra)),
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_neither_neighbours_nor_padding_change_an_answer(make: Callable[[list[Task], int], Support]) -> None:
    head = PriorLogistic()
    tasks = [vector_task(1), vector_task(2, ways=2, shots=6), vector_task(3, ways=5, shots=1)]
    together, padded = answers(head, make(tasks, 0), tasks), answers(head, make(tasks, 3), tasks, extra=3)
    for many, wide, task in zip(together, padded, tasks, strict=True):
        close(answers(head, make([task], 0), [task])[0], many)
        close(many, wide)


def test_tasks_of_both_kinds_share_a_batch() -> None:
    """A batch to predict may hold them side by side: what they are is in their params."""
    head, task = PriorLogistic(), vector_task(1)
    with torch.inference_mode():
        one, other = head.adapt(support_of([task])), head.adapt(with_several(support_of([task])))
        both = {leaf: torch.cat([one[leaf], other[leaf]]) for leaf in head.layout}
        scores = head.predict(both, rows_of([task.query, task.query]))
        assert scores.independent is not None and scores.independent.tolist() == [False, True]
        close(head.predict(other, rows_of([task.query])).values[0], scores.values[1])


def test_names_alone_classify_and_lift_one_shot() -> None:
    task = vector_task(3, ways=20, shots=1, dim=12)
    noise = torch.randn(task.support.shape, generator=torch.Generator().manual_seed(0))
    task = replace(task, support=task.support + 1.5 * noise)
    alone = support_of([replace(task, support=centres(task), targets=torch.arange(20))])
    alone = replace(alone, names=alone.rows.mask)
    right = [
        (answers(PriorLogistic(), support, [task])[0][:, :-1].argmax(1) == task.answers).double().mean()
        for support in (support_of([task]), support_with_names([task]), alone)
    ]
    assert right[0] < right[1] and right[2] > 0.9


def test_a_row_that_counts_twice_is_two_rows() -> None:
    torch.manual_seed(0)
    rows, truth = torch.randn(1, 6, 3), torch.eye(2)[torch.tensor([[0, 0, 0, 1, 1, 1]])]
    rest = torch.zeros(1, 6, 2), torch.ones(1, 2, dtype=torch.bool), torch.full((1, 1, 1), 0.3)
    *_, once = fit(rows, torch.tensor([[2.0, 1, 1, 1, 1, 0]]), truth, *rest, 60)
    chosen = torch.tensor([0, 0, 1, 2, 3, 4])
    *_, twice = fit(rows[:, chosen], torch.ones(1, 6), truth[:, chosen], *rest, 60)
    assert once is not None and twice is not None
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_row_of_several_labels_has_them_all() -> None:
    task = vector_task(1, ways=4, shots=6)
    support = with_several(support_of([task]))
    *_, layer = fit(
        support.rows.values,
        support.rows.mask.float(),
        support.target.values.float(),  # type: ignore[union-attr]
        torch.zeros(1, 24, 4),
        support.target.ways,  # type: ignore[union-attr]
        torch.full((1, 1, 1), 0.1),
        100,
        torch.tensor([True]),
    )
    assert layer is not None
    outputs = task.query @ layer[0][0].mT + layer[1][0]
    expected = torch.eye(4)[task.answers].bool()
    expected[:, 0] |= expected[:, 1]
    assert ((outputs > 0) == expected).double().mean() > 0.95


def test_what_training_learns_gets_a_gradient() -> None:
    task, head = vector_task(1), PriorLogistic(num_steps=8)
    for support in (support_with_names([task]), with_several(support_with_names([task]))):
        scores: Logits = head.predict(head.adapt(support), rows_of([task.query]))
        assert scores.unknown is not None
        (scores.values[..., 0].sum() + scores.unknown.sum()).backward()  # type: ignore[no-untyped-call]
    for name, leaf in head.named_parameters():
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all(), name
        assert leaf.grad.any(), name
