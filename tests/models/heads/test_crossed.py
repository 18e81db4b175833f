"""Each row is judged by params that were adapted without it, whatever else is in the batch."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from models.heads.bayesian_linear import BayesianLinear
from models.heads.crossed import Folds, crossed
from models.heads.head import Head
from models.heads.ridge import Ridge
from models.types import Classes, Gaussian, Logits, Rows, Scores, Support, TaskParams, Values, full_rows

WAYS = 3


def support(shots: int, tasks: int = 2, seed: int = 0) -> Support:
    """Tasks of three labels."""
    draws = torch.Generator().manual_seed(seed)
    classes = torch.arange(WAYS).repeat_interleave(shots).expand(tasks, -1)
    rows = torch.randn(tasks, WAYS * shots, 8, generator=draws) + classes.unsqueeze(-1)
    return Support(full_rows(rows), Classes(classes, torch.ones(tasks, WAYS, dtype=torch.bool)))


def logits(scores: Scores) -> torch.Tensor:
    """Of labels that exclude each other."""
    assert isinstance(scores, Logits)
    return scores.values


def only(rows: Rows, task: int, keep: torch.Tensor) -> Rows:
    """Some rows of one task."""
    return full_rows(rows.values[task : task + 1, keep])


def test_a_row_is_scored_as_by_a_task_without_its_fold() -> None:
    task, head = support(shots=2), Ridge()
    with torch.no_grad():
        found = crossed(head, task, Folds.of([[2] * 3] * 2))
    assert found.is_held.all() and isinstance(found.scores, Logits) and isinstance(task.target, Classes)
    # with two rows a label a fold holds one of each, so that one of the eight ways to leave those out is the row's
    for row in range(6):
        near = []
        for other in range(2 ** (WAYS - 1)):
            out = torch.zeros(6, dtype=torch.bool)
            out[row] = True
            for bit, way in enumerate(way for way in range(WAYS) if way != row // 2):
                out[2 * way + (other >> bit) % 2] = True
            kept = Support(only(task.rows, 0, ~out), Classes(task.target.index[:1, ~out], task.target.ways[:1]))
            with torch.no_grad():
                scores = head.predict(head.adapt(kept), only(task.rows, 0, torch.tensor([row])))
            near.append(float((scores.values[0, 0] - found.scores.values[0, row]).abs().max()))
        assert min(near) < 1e-5


def test_neighbours_padding_and_order_change_nothing() -> None:
    small, large, head = support(2, tasks=1), support(6, tasks=1, seed=1), Ridge()
    values = torch.zeros(2, 18, 8)
    values[0, :6], values[1] = small.rows.values[0], large.rows.values[0]
    mask = torch.ones(2, 18, dtype=torch.bool)
    mask[0, 6:] = False
    index = torch.zeros(2, 18, dtype=torch.int64)
    assert isinstance(small.target, Classes) and isinstance(large.target, Classes)
    index[0, :6], index[1] = small.target.index[0], large.target.index[0]
    both = Support(
        Rows(values, mask, mask.flatten().nonzero().squeeze(1)), Classes(index, torch.ones(2, 3, dtype=torch.bool))
    )
    turned = torch.randperm(18, generator=torch.Generator().manual_seed(2))
    order = Support(full_rows(large.rows.values[:, turned]), Classes(large.target.index[:, turned], large.target.ways))
    with torch.no_grad():
        together = crossed(head, both, Folds.of([[2] * 3, [6] * 3])).scores
        alone = [crossed(head, small, Folds.of([[2] * 3])).scores, crossed(head, large, Folds.of([[6] * 3])).scores]
        again = crossed(head, order, Folds.of([[6] * 3])).scores
    torch.testing.assert_close(logits(together)[0, :6], logits(alone[0])[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(together)[1], logits(alone[1])[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(again), logits(alone[1])[:, turned], atol=1e-5, rtol=1e-4)


def test_what_is_alone_with_its_label_or_a_name_is_never_left_out() -> None:
    task = support(shots=3, tasks=1)
    names = torch.zeros(1, 9, dtype=torch.bool)
    names[0, 0] = True
    lonely = Classes(torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 2]]), torch.ones(1, 3, dtype=torch.bool))
    with torch.no_grad():
        found = crossed(Ridge(), Support(task.rows, lonely, names), Folds.of([[3, 5, 1]]))
    assert found.is_held.tolist() == [[False, *[True] * 7, False]]


def test_curves_are_crossed_too() -> None:
    inputs = torch.linspace(-1, 1, 12).view(1, 12, 1)
    head = BayesianLinear(width=1, rank=1, noises=(0.1, 0.5))
    with torch.no_grad():
        found = crossed(head, Support(full_rows(inputs), Values(3 * inputs)), Folds.of([[12]]))
    assert isinstance(found.scores, Gaussian) and found.is_held.all()
    assert float((found.scores.mean - 3 * inputs).abs().max()) < 1


def test_pieces_of_rows_are_answered_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task, head = support(shots=4), Ridge()
    with torch.no_grad():
        whole = crossed(head, task, Folds.of([[4] * 3] * 2))
        params = head.adapt(task)
        monkeypatch.setattr("models.heads.crossed.MAX_WORK", 2 * sum(leaf.numel() for leaf in params.values()))
        monkeypatch.setattr("models.heads.crossed.MAX_NUMBERS", task.rows.values.numel())
        again = crossed(head, task, Folds.of([[4] * 3] * 2))
    torch.testing.assert_close(logits(again.scores), logits(whole.scores), atol=1e-5, rtol=1e-4)


class Seen(Head):
    """Its params are the sum of the rows, and so are its scores."""

    def __init__(self) -> None:
        super().__init__()
        self.layout = {"sum": "D"}

    def start(self, support: Support) -> TaskParams:
        """The sum of the real rows."""
        return {"sum": (support.rows.values * support.rows.mask.unsqueeze(-1)).sum(1)}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """None."""
        yield start

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """The sum, for each row."""
        return Logits(params["sum"].unsqueeze(1).expand(-1, query.mask.shape[1], -1))


@pytest.mark.parametrize("seed", range(8))
def test_each_row_is_answered_by_all_rows_of_the_other_folds(seed: int) -> None:
    """Rows are one-hot, so that a sum says which are in it; labels of few and many rows, some with a name."""
    draws = torch.Generator().manual_seed(seed)
    classes = [torch.randint(4, (num,), generator=draws) for num in torch.randint(1, 24, (3,), generator=draws)]
    most = max(len(each) for each in classes)
    index = torch.stack([F.pad(each, (0, most - len(each))) for each in classes])
    mask = torch.stack([torch.arange(most) < len(each) for each in classes])
    names = (torch.rand(3, most, generator=draws) < 0.15 * (seed % 2)) & mask
    rows = Rows(torch.eye(most).expand(3, -1, -1), mask, mask.flatten().nonzero().squeeze(1))
    folds = Folds.of([torch.bincount(each).tolist() for each in classes], names.sum(1).tolist())
    found = crossed(Seen(), Support(rows, Classes(index, torch.ones(3, 4, dtype=torch.bool)), names), folds)
    for is_seen, is_held, is_row in zip(logits(found.scores) > 0, found.is_held, mask, strict=True):
        for row in is_held.nonzero().squeeze(1):
            fold = is_row & ~is_seen[row]
            assert fold[row] and (fold <= is_held).all() and (is_seen[fold] == is_seen[row]).all()


def test_as_many_folds_as_the_largest_label_has_rows_and_room_for_what_is_kept_and_held() -> None:
    assert Folds.of([[2, 2, 2], [3, 1, 1]]) == Folds(num=3, most_kept=6, most_held=3)
    assert Folds.of([[5, 5, 7]]) == Folds(num=5, most_kept=14, most_held=4)
    assert Folds.of([[5, 5, 7]], [2]) == Folds(num=5, most_kept=16, most_held=4)
    assert Folds.of([[1, 1]]) == Folds(num=2, most_kept=2, most_held=1)
    assert Folds.of([[12]]) == Folds(num=5, most_kept=10, most_held=3)  # of a regression
