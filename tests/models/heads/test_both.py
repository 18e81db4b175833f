"""Two heads in one: each task is answered by the head of its kind, whoever shares its batch."""

import torch

from models.checkpoint import build
from models.heads.both import Both
from models.heads.ridge import Ridge
from models.types import Classes, Either, Gaussian, Logits, Support, TaskParams, Values, full_rows

HEAD = {"name": "both", "classes": {"name": "linear_classes"}, "values": {"name": "linear_values"}}


def head() -> Both:
    torch.manual_seed(0)
    made = build({"name": "identity"}, HEAD).head
    assert isinstance(made, Both)
    return made


def tasks(made: Both) -> tuple[TaskParams, TaskParams]:
    """A task of three classes and one of two numbers, on the same rows."""
    rows = full_rows(torch.randn(1, 12, 5))
    classes = Classes(torch.arange(3).repeat(4).unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
    values = Values(rows.values[..., :2] * 3 + 1)
    return made.adapt(Support(rows, classes)), made.adapt(Support(rows, values))


def stacked(each: tuple[TaskParams, TaskParams]) -> TaskParams:
    """As the engine puts tasks together: padded with zeros."""
    batch = {}
    for name, leaf in each[0].items():
        sizes = [max(pair) for pair in zip(leaf.shape[1:], each[1][name].shape[1:], strict=True)]
        batch[name] = leaf.new_zeros((2, *sizes))
        for t, params in enumerate(each):
            batch[name][t][tuple(map(slice, params[name].shape[1:]))] = params[name][0]
    return batch


def test_tasks_have_no_ways_or_outputs_of_the_other_kind() -> None:
    classifies, regresses = tasks(head())
    assert classifies["weight"].shape == (1, 3, 5) and classifies["values.weight"].shape == (1, 0, 5)
    assert regresses["weight"].shape == (1, 0, 5) and regresses["values.weight"].shape == (1, 2, 5)


def test_both_kinds_share_a_batch_of_predictions() -> None:
    made, queries = head(), torch.randn(2, 4, 5)
    each = tasks(made)
    alone = [made.predict(params, full_rows(queries[[t]])) for t, params in enumerate(each)]
    together = made.predict(stacked(each), full_rows(queries))
    assert isinstance(together, Either)
    assert isinstance(alone[0], Logits) and isinstance(alone[1], Gaussian)
    torch.testing.assert_close(together.logits.values[0], alone[0].values[0])
    torch.testing.assert_close(together.values.mean[1], alone[1].mean[0])
    torch.testing.assert_close(together.values.variance[1], alone[1].variance[0])


def test_a_layer_is_continued_from_where_a_task_stands() -> None:
    made = head()
    rows = full_rows(torch.randn(1, 40, 5))
    target = Values((rows.values / rows.values.norm(dim=-1, keepdim=True))[..., :1] * 4)
    once = made.adapt(Support(rows, target))
    twice = made.adapt(Support(rows, target), once)

    def error(params: TaskParams) -> float:
        scores = made.predict(params, rows)
        assert isinstance(scores, Gaussian)
        return (scores.mean - target.values).square().mean().item()

    assert error(twice) < error(once)


def test_a_prior_is_weighed_as_by_the_head_of_classes() -> None:
    made = build({"name": "identity"}, {**HEAD, "classes": {"name": "ridge"}}).head
    assert made.balance == Ridge.balance
