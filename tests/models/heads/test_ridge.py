"""Ridge against refits by hand, in both spaces, and from another task's layer."""

import pytest
import torch

from models.heads.ridge import Ridge, solve
from tests.models.tasks import rows_of, support_of, vector_task


@pytest.mark.parametrize(("num_rows", "width"), [(4, 9), (9, 4)])
def test_both_spaces_give_the_minimiser(num_rows: int, width: int) -> None:
    draw = torch.Generator().manual_seed(0)
    rows, targets = torch.randn(2, num_rows, width, generator=draw), torch.randn(2, num_rows, 3, generator=draw)
    weights, penalty = solve(rows, targets, torch.tensor(0.3)), 0.3 * torch.eye(width)
    torch.testing.assert_close(weights, torch.linalg.solve(rows.mT @ rows + penalty, rows.mT @ targets))


def test_columns_may_be_in_any_unit() -> None:
    task, head = vector_task(1), Ridge("standard")
    with torch.no_grad():
        head.mix.fill_(-80)  # every column by its own spread alone
    units, offsets = torch.tensor([1e-3, 1.0, 1e3, 7.0, 0.1, 50.0]), torch.tensor([3.0, -1e3, 1e5, 0.0, 1.0, 2.0])
    plain = head.predict(head.adapt(support_of([task])), rows_of([task.query])).values
    moved = task.__class__(task.support * units + offsets, task.targets, task.query * units + offsets, task.answers)
    torch.testing.assert_close(
        head.predict(head.adapt(support_of([moved])), rows_of([moved.query])).values, plain, rtol=1e-3, atol=1e-3
    )


def test_alike_rows_tell_nothing_apart() -> None:
    task, head = vector_task(1), Ridge("standard")
    same = task.__class__(torch.ones_like(task.support), task.targets, task.query, task.answers)
    scores = head.predict(head.adapt(support_of([same])), rows_of([same.query])).values
    torch.testing.assert_close(scores, scores[..., :1].expand_as(scores))


def test_a_layer_that_fits_already_stays() -> None:
    task, head = vector_task(1, shots=30), Ridge("standard", penalty=1e-6)
    support = support_of([task])
    once = head.adapt(support)
    twice = head.adapt(support, once)
    torch.testing.assert_close(twice["weight"], once["weight"], rtol=1e-3, atol=1e-4)
