"""Curves in any unit: the same answers, rescaled; and what cannot be known is said to be so."""

from pathlib import Path

import pytest
import torch

from models import zoo
from models.checkpoint import load
from models.learner import Learner
from models.types import Classes, Gaussian, Logits, Support, Values, full_rows

X = torch.tensor([-4.0, -2.5, 0.0, 1.0, 4.5])
Y = torch.tensor([0.8, -0.6, 0.1, 0.9, -0.9])
ASKED = torch.tensor([-3.0, 0.5, 3.0, 7.0])


@pytest.fixture(scope="module")
def curves() -> Learner:
    return load(Path(next(iter(zoo.__path__))) / "curves").learner


def answer(
    learner: Learner, x: torch.Tensor, y: torch.Tensor, asked: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, targets, query = (each.view(1, -1, 1) for each in (x, y, asked))
    scores = learner.predict(learner.adapt(Support(full_rows(rows), Values(targets))), full_rows(query))
    assert isinstance(scores, Gaussian)
    return scores.mean.flatten(), scores.variance.flatten().sqrt()


@pytest.mark.parametrize(
    ("unit", "origin"), [(0.1, 293.15), (512.0, 512.0), (37.0, -1.2), (1e-12, 0.0), (1e6, -3e6)], ids=str
)
def test_answers_do_not_depend_on_the_unit_of_inputs(curves: Learner, unit: float, origin: float) -> None:
    mean, deviation = answer(curves, X, Y, ASKED)
    other_mean, other_deviation = answer(curves, X * unit + origin, Y, ASKED * unit + origin)
    torch.testing.assert_close(other_mean, mean, rtol=0, atol=2e-2)  # 293.15 keeps four digits of a tenth
    torch.testing.assert_close(other_deviation, deviation, rtol=5e-2, atol=1e-3)


def test_a_line_of_kelvin_to_celsius_goes_on(curves: Learner) -> None:
    kelvin = torch.linspace(273.15, 313.15, 6)
    asked = torch.tensor([278.0, 300.0, 323.15])
    mean, deviation = answer(curves, kelvin, kelvin - 273.15, asked)
    assert ((mean - (asked - 273.15)).abs() < 2 * deviation + 0.1).all()
    assert (mean[:2] - (asked[:2] - 273.15)).abs().max() < 0.2
    assert deviation[2] > 3 * deviation[1]  # half of the range beyond it


def test_far_from_all_examples_the_deviation_grows_at_least_as_the_distance(curves: Learner) -> None:
    _, deviation = answer(curves, X, Y, torch.tensor([10.0, 100.0, 1_000.0, 1e9]))
    assert (deviation[1:] > 5 * deviation[:-1]).all() and torch.isfinite(deviation).all()


@pytest.mark.parametrize("x", [[2.0], [2.0, 2.0], [0.0], [0.0, 0.0, 0.0], [0.1, 0.1]])
def test_inputs_that_never_vary_tell_of_themselves_alone(curves: Learner, x: list[float]) -> None:
    inputs = torch.tensor(x)
    targets = torch.full_like(inputs, 5.0)
    mean, deviation = answer(curves, inputs, targets, torch.tensor([x[0], x[0] + 1.0, x[0] + 10.0]))
    torch.testing.assert_close(mean, torch.full((3,), 5.0), rtol=1e-2, atol=1e-2)
    assert torch.isfinite(deviation).all() and deviation[0] <= deviation[1] <= deviation[2]


def test_large_targets_asked_far_away_have_a_deviation(curves: Learner) -> None:
    _, deviation = answer(curves, X, Y * 1e15, torch.tensor([1e9]))
    assert torch.isfinite(deviation).all()


@pytest.mark.parametrize("unit", [1e-14, 1e-6, 1e14])
def test_labels_do_not_depend_on_the_unit_of_vectors(unit: float) -> None:
    universal = load(Path(next(iter(zoo.__path__))) / "universal").learner
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 8, generator=generator)
    index = torch.arange(12) % 3
    rows = centres[index] + 0.3 * torch.randn(12, 8, generator=generator)
    target = Classes(index[None], torch.ones(1, 3, dtype=torch.bool))

    def scores(scale: float) -> torch.Tensor:
        support = Support(full_rows(rows[None] * scale), target)
        with torch.no_grad():
            found = universal.predict(universal.adapt(support), full_rows(centres[None] * scale))
        assert isinstance(found, Logits)
        return found.values.softmax(-1)

    torch.testing.assert_close(scores(unit), scores(1.0), rtol=0, atol=1e-2)
    assert scores(unit)[0].diagonal().min() > 0.9
