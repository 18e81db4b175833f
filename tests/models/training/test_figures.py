import numpy as np
import pytest
import torch

from models.heads.prototypical import Prototypical
from models.training.figures import Answers, Figure, episode_answers, percent


def test_an_interval_is_that_of_a_mean() -> None:
    figure = percent("", np.array([0.0, 1.0] * 50))
    assert figure.value == 50
    assert figure.half == pytest.approx(196 * 0.5 / 10, rel=0.01)


def test_figures_read_well() -> None:
    assert str(Figure("", 99.123, 0.456)) == "99.12 ± 0.46 %"
    assert str(Figure("", 1234.5, 6.7, "images/s")) == "1234 ± 7 images/s"


def test_calibration_compares_confidence_with_truth() -> None:
    right = np.tile([True, True, True, False], (10, 25))
    honest = Answers(right, np.full(right.shape, 0.75))
    boastful = Answers(right, np.full(right.shape, 0.95))
    assert honest.calibration_error("").value == pytest.approx(0)
    assert boastful.calibration_error("").value == pytest.approx(20)


@pytest.mark.parametrize(("distance", "accuracy"), [(20.0, 100.0), (0.0, 20.0)])
def test_episodes_measure_how_far_classes_lie_apart(distance: float, accuracy: float) -> None:
    torch.manual_seed(0)
    features = torch.randn(8, 10, 32) + distance * torch.randn(8, 1, 32)
    pool = list(torch.arange(80).view(8, 10))
    answers = episode_answers(
        Prototypical(), features.flatten(0, 1), pool, ways=5, shots=1, num_tasks=120, queries=4
    )  # fmt: skip
    assert answers.right.shape == (120, 20)
    assert answers.accuracy("").value == pytest.approx(accuracy, abs=3)
