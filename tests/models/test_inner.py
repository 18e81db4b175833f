"""The inner loop against closed forms and against steps written by hand."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from models.inner import Loss, descend, gradients_of
from models.rules.sgd import SGD
from models.types import TaskParams

RATE = 0.05


def least_squares(rows: Tensor, targets: Tensor) -> Loss:
    """Mean squared error of each task's linear map, summed over tasks."""

    def loss(params: TaskParams) -> Tensor:
        return ((rows @ params["weight"].unsqueeze(-1)).squeeze(-1) - targets).square().mean(1).sum()

    return loss


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sgd(rate: float = RATE, **options: bool) -> SGD:
    return SGD({"weight": (4,), "other": ()}, rate, **options).double()


def last(loss: Loss, start: TaskParams, rule: SGD, num_steps: int, first_order: bool = False) -> TaskParams:
    return list(descend(loss, start, rule, num_steps, first_order))[-1]


@pytest.mark.parametrize("first_order", [False, True])
def test_meta_gradient_of_linear_regression_is_the_closed_form(first_order: bool) -> None:
    X, y, A, b = draw(1, 1, 7, 4), draw(2, 1, 7), draw(3, 1, 5, 4), draw(4, 1, 5)
    start = draw(5, 1, 4).requires_grad_()
    adapted = last(least_squares(X, y), {"weight": start}, sgd(), 1, first_order)["weight"]
    least_squares(A, b)({"weight": adapted}).backward()  # type: ignore[no-untyped-call]
    outer = 2 / 5 * A[0].T @ (A[0] @ adapted[0].detach() - b[0])
    jacobian = torch.eye(4) - (0 if first_order else 2 * RATE / 7 * X[0].T @ X[0])
    assert start.grad is not None
    torch.testing.assert_close(start.grad[0], jacobian.double() @ outer, rtol=1e-6, atol=1e-8)


def test_second_order_steps_match_steps_by_hand() -> None:
    X, y = draw(1, 3, 6, 4), draw(2, 3, 6)

    def bent(params: TaskParams) -> Tensor:
        return ((X @ params["weight"].unsqueeze(-1)).squeeze(-1).tanh() - y).square().mean(1).sum()

    start = draw(3, 3, 4).requires_grad_()
    by_hand = start
    for _ in range(3):
        (gradient,) = torch.autograd.grad(bent({"weight": by_hand}), by_hand, create_graph=True)
        by_hand = by_hand - RATE * gradient
    ours = last(bent, {"weight": start}, sgd(), 3)["weight"]
    torch.testing.assert_close(ours, by_hand, rtol=1e-6, atol=1e-8)
    expected, actual = (torch.autograd.grad(bent({"weight": end}), start)[0] for end in (by_hand, ours))
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-8)


def test_each_task_descends_its_own_loss() -> None:
    X, y, start = draw(1, 3, 6, 4), draw(2, 3, 6), draw(3, 3, 4)
    together = last(least_squares(X, y), {"weight": start}, sgd(), 5)["weight"]
    for t in range(3):
        alone = last(least_squares(X[[t]], y[[t]]), {"weight": start[[t]]}, sgd(), 5)["weight"]
        torch.testing.assert_close(together[[t]], alone)


def test_every_step_is_yielded_and_the_loss_falls_under_inference_mode() -> None:
    loss, start = least_squares(draw(1, 2, 9, 4), draw(2, 2, 9)), {"weight": draw(3, 2, 4)}
    with torch.inference_mode():
        steps = list(descend(loss, start, sgd(), 4))
        losses = [loss(params).item() for params in (start, *steps)]
    assert len(steps) == 4
    assert losses == sorted(losses, reverse=True)
    assert not steps[-1]["weight"].requires_grad


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_gradients_are_those_of_torch_func(mode: type) -> None:
    with mode():
        loss, params = least_squares(draw(1, 2, 9, 4), draw(2, 2, 9)), {"weight": draw(3, 2, 4), "other": draw(4, 2)}
        ours, theirs = gradients_of(loss, params), torch.func.grad(loss)(params)
    assert ours.keys() == theirs.keys() == {"weight", "other"}
    assert all(torch.equal(ours[leaf], theirs[leaf]) for leaf in ours)
    assert not any(leaf.requires_grad for leaf in (*ours.values(), *params.values()))


def test_gradients_are_made_without_the_compiler() -> None:
    code = (
        "import sys, torch; from models.inner import gradients_of\n"
        "with torch.inference_mode(): gradients_of(lambda params: params['a'].sum(), {'a': torch.ones(2)})\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rates_a_leaf_are_learned_apart() -> None:
    rule = sgd(learned=True, per_leaf=True)
    params, gradients = {"weight": draw(1, 2, 4), "other": draw(2, 2)}, {"weight": draw(3, 2, 4), "other": draw(4, 2)}
    moved, _ = rule.step(0, gradients, rule.begin(params), params)
    moved["weight"].sum().backward()  # type: ignore[no-untyped-call]
    assert rule.log_rates.grad is not None
    assert rule.log_rates.grad[rule.rows["other"]] == 0
    torch.testing.assert_close(
        rule.log_rates.grad[rule.rows["weight"]], -RATE * gradients["weight"].sum(), rtol=1e-6, atol=0
    )
