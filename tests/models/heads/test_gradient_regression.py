"""MAML of a linear map: its gradient is known in closed form."""

from dataclasses import replace

import torch

from models.data.regressions import LinearTasks
from models.encoders.identity import Identity
from models.heads.gradient_regression import GradientRegression
from models.inner import Shapes
from models.rules.sgd import SGD
from models.types import Gaussian, Values

RATE = 0.1


def rule(shapes: Shapes) -> SGD:
    return SGD(shapes, RATE)


def test_the_meta_gradient_of_one_step_is_the_closed_form() -> None:
    torch.manual_seed(0)
    batch = LinearTasks(num_tasks=3)(0)
    head = GradientRegression(Identity(), 8, rule, num_steps=1)
    scores = head.predict(head.adapt(batch.support), batch.query)
    assert isinstance(scores, Gaussian)
    assert isinstance(batch.target, Values)
    (scores.mean - batch.target.values).square().mean((1, 2)).sum().backward()  # type: ignore[no-untyped-call]
    expected = torch.zeros(9, dtype=torch.float64)
    weights = torch.cat([head.weight.detach()[0], head.bias.detach()]).double()
    for task in range(3):
        x, q = (_with_ones(rows.values[task]) for rows in (batch.support.rows, batch.query))
        assert isinstance(batch.support.target, Values)
        y, answers = (target.values[task, :, 0].double() for target in (batch.support.target, batch.target))
        kept = torch.eye(9) - 2 * RATE / len(x) * x.T @ x
        after = kept @ weights + 2 * RATE / len(x) * x.T @ y
        expected += kept @ (2 / len(q) * q.T @ (q @ after - answers))
    assert head.weight.grad is not None
    assert head.bias.grad is not None
    found = torch.cat([head.weight.grad[0], head.bias.grad]).double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_without_the_second_order_the_factor_is_missing() -> None:
    torch.manual_seed(0)
    batch = LinearTasks(num_tasks=1)(0)
    heads = [GradientRegression(Identity(), 8, rule, num_steps=1, first_order=first) for first in (False, True)]
    heads[1].load_state_dict(heads[0].state_dict())
    for head in heads:
        scores = head.predict(head.adapt(batch.support), batch.query)
        assert isinstance(scores, Gaussian)
        assert isinstance(batch.target, Values)
        (scores.mean - batch.target.values).square().mean().backward()  # type: ignore[no-untyped-call]
    x = _with_ones(batch.support.rows.values[0])
    kept = torch.eye(9) - 2 * RATE / len(x) * x.T @ x
    full, first = (
        torch.cat([head.weight.grad[0], head.bias.grad]).double()
        for head in heads
        if head.weight.grad is not None and head.bias.grad is not None
    )
    torch.testing.assert_close(full, kept @ first, rtol=1e-4, atol=1e-5)


def test_tasks_differ_by_seed_and_agree_in_their_prior() -> None:
    tasks = LinearTasks()
    other = replace(tasks, seed=1)
    assert not torch.equal(tasks(0).query.values, other(0).query.values)
    torch.testing.assert_close(tasks.prior, other.prior, rtol=0, atol=0)


def _with_ones(rows: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows, torch.ones_like(rows[:, :1])], 1).double()
