"""The Bayesian layer against kriging by hand, example after example, and where the data say little."""

from dataclasses import replace

import pytest
import torch

from models.heads.bayesian_linear import BayesianLinear
from models.types import Gaussian
from tests.models.tasks import curve_task, rows_of, support_of

NOISE = 0.3


def head(noises: tuple[float, ...] = (NOISE,)) -> BayesianLinear:
    torch.manual_seed(0)
    return BayesianLinear(width=1, rank=1, noises=noises).requires_grad_(False)


def answer(layer: BayesianLinear, task_support: torch.Tensor, targets: torch.Tensor) -> Gaussian:
    task = replace(curve_task(1), support=task_support, targets=targets)
    return layer.predict(layer.adapt(support_of([task])), rows_of([task.query]))


def test_one_hypothesis_is_universal_kriging() -> None:
    task, layer = curve_task(1), head()
    x, q, y = (part.double() for part in (task.support, task.query, task.targets))
    K, ones = x @ x.T + NOISE**2 * torch.eye(len(x)), torch.ones(len(x), 1, dtype=torch.float64)
    inverse = K.inverse()
    offset = (ones.T @ inverse @ y) / (ones.T @ inverse @ ones)
    scores = answer(layer, task.support, task.targets)
    torch.testing.assert_close(scores.mean[0].double(), offset + q @ x.T @ inverse @ (y - offset), rtol=1e-4, atol=1e-4)
    spread = ((y - offset) * (inverse @ (y - offset))).sum(0) / (len(x) - 1)
    torch.testing.assert_close(layer._misfit(layer.adapt(support_of([task])))[0, 0].double() / (len(x) - 1), spread)


def test_example_after_example_ends_where_all_at_once_does() -> None:
    task, layer = curve_task(1), head((0.1, 0.5))
    first, rest = (
        replace(task, support=task.support[part], targets=task.targets[part]) for part in (slice(3), slice(3, 9))
    )
    at_once = layer.adapt(support_of([task]))
    in_turn = layer.adapt(support_of([rest]), layer.adapt(support_of([first])))
    for name, leaf in at_once.items():
        torch.testing.assert_close(in_turn[name], leaf, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e6])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_targets_that_never_vary_are_said_again(count: int, value: float) -> None:
    scores = answer(head((0.1, 0.5)), torch.linspace(-4, 4, count).unsqueeze(1), torch.full((count, 2), value))
    torch.testing.assert_close(scores.mean, torch.full_like(scores.mean, value), rtol=1e-4, atol=0)
    assert torch.isfinite(scores.variance).all()
    deviation = scores.variance.sqrt().max()
    assert deviation >= abs(value) if count == 1 else deviation <= 1e-3 * abs(value) + 1e-6


def test_the_right_noise_is_found() -> None:
    task, layer = curve_task(1, shots=20), head((0.01, 3.0))
    noisy = task.targets + 3 * torch.randn(task.targets.shape, generator=torch.Generator().manual_seed(2))
    straight = task.support.expand(-1, 2) * 2 + 1
    for targets, favoured in ((noisy, 1), (straight, 0)):
        evidence = layer._evidence(layer.adapt(support_of([replace(task, targets=targets)])))
        assert (evidence.argmax(1) == favoured).all()
