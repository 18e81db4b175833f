"""ALPaCA against Gaussian processes by hand, example after example, and the rank of what it learned."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from models.heads.alpaca import ALPaCA, effective_rank
from tests.models.tasks import Task, curve_task, rows_of, support_of

NOISE = 0.3


def head(**options: Any) -> ALPaCA:
    torch.manual_seed(0)
    layer = ALPaCA(width=1, rank=2, noise=NOISE, **options).requires_grad_(False)
    layer.mean.copy_(torch.tensor([0.7, -2.0]))
    return layer


def by_hand(layer: ALPaCA, task: Task) -> tuple[torch.Tensor, ...]:
    """Of the support: inverse covariance and level; of the query: covariance with the support, own variance, level."""
    x, q = (torch.cat([rows, torch.ones_like(rows)], 1).double() for rows in (task.support, task.query))
    prior = layer.subspace.T.double() @ layer.subspace.double()
    inverse = (x @ prior @ x.T + NOISE**2 * torch.eye(len(x))).inverse()
    mean = layer.mean.double().unsqueeze(1)
    return inverse, x @ mean, q @ prior @ x.T, (q @ prior @ q.T).diagonal(), q @ mean


def test_in_trained_units_it_is_a_gaussian_process() -> None:
    task, layer = curve_task(1), head(units="trained")
    inverse, level, across, own, level_there = by_hand(layer, task)
    scores = layer.predict(layer.adapt(support_of([task])), rows_of([task.query]))
    expected = level_there + across @ inverse @ (task.targets.double() - level)
    torch.testing.assert_close(scores.mean[0].double(), expected, rtol=1e-4, atol=1e-4)
    variance = own + NOISE**2 - (across @ inverse @ across.T).diagonal()
    torch.testing.assert_close(scores.variance[0, :, 0].double(), variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_tasks_own_unit_is_its_likeliest(sign: float) -> None:
    task, layer = curve_task(1), head()
    targets = sign * task.targets.double()
    inverse, level, *_ = by_hand(layer, task)
    spread = layer._spread(layer.adapt(support_of([replace(task, targets=targets.float())])))[0]

    def surprise(unit: torch.Tensor) -> torch.Tensor:
        left = targets / unit - level
        return (left * (inverse @ left)).sum(0) / 2 + len(targets) * unit.log()

    least = surprise(spread.double())
    assert all((surprise(spread.double() * factor) > least).all() for factor in (0.9, 0.99, 1.01, 1.1))


@pytest.mark.parametrize("units", ["own", "trained"])
def test_example_after_example_ends_where_all_at_once_does(units: str) -> None:
    task, layer = curve_task(1), head(units=units)
    parts = [replace(task, support=task.support[part], targets=task.targets[part]) for part in (slice(3), slice(3, 9))]
    at_once = layer.adapt(support_of([task]))
    in_turn = layer.adapt(support_of([parts[1]]), layer.adapt(support_of([parts[0]])))
    for name, leaf in at_once.items():
        torch.testing.assert_close(in_turn[name], leaf, rtol=1e-4, atol=1e-4)


def test_targets_of_nothing_give_finite_answers() -> None:
    task = curve_task(1)
    scores = head().predict(
        head().adapt(support_of([replace(task, targets=torch.zeros_like(task.targets))])), rows_of([task.query])
    )
    assert torch.isfinite(scores.mean).all()
    assert (scores.variance > 0).all()


def test_the_effective_rank_counts_directions() -> None:
    assert effective_rank(torch.eye(5)[:3]) == pytest.approx(3)
    assert effective_rank(torch.ones(4, 6)) == pytest.approx(1, abs=1e-4)
    assert ALPaCA(width=4, rank=3).effective_rank() == pytest.approx(3)
