"""What a prior may say, and what it makes of scores."""

import numpy as np
import pytest

from service.codec import expecting, wrong_prior
from service.fields import Prior

LABELS = ["common", "rare"]
EVEN = np.full((1, 2), 0.5, np.float32)


@pytest.mark.parametrize(
    ("prior", "balance", "expected"),
    [
        ("uniform", 0.0, [1 / 2, 1 / 2]),  # scores that know of no shares become 1:20
        ("support", 0.0, [20 / 21, 1 / 21]),
        ("support", 1.0, [1 / 2, 1 / 2]),  # scores that have the shares in them already stay
        ("uniform", 1.0, [1 / 21, 20 / 21]),
        ({"common": 0.2, "rare": 0.8}, 0.0, [0.2, 0.8]),
        ({"rare": 0.8}, 0.0, [0.2, 0.8]),
    ],
)
def test_even_scores_become_the_prior(prior: Prior, balance: float, expected: list[float]) -> None:
    assert expecting(EVEN, LABELS, prior, [20, 1], balance)[0] == pytest.approx(expected, rel=1e-5)


def test_labels_that_came_later_are_average_ones() -> None:
    whole: Prior = {"common": 0.9, "rare": 0.1}
    third = np.full((1, 3), 1 / 3, np.float32)
    found = expecting(third, [*LABELS, "new"], whole, [20, 1, 5], 0.0)[0]
    assert found == pytest.approx(np.array([0.9, 0.1, 1 / 3]) / (4 / 3), rel=1e-5)
    gone = expecting(EVEN, ["common", "new"], whole, [20, 5], 0.0)[0]
    assert gone == pytest.approx([0.9, 0.1], rel=1e-5)


@pytest.mark.parametrize(
    ("prior", "kind", "paths"),
    [
        ({"common": 0.5, "rare": 0.5}, "classification", []),
        ({"common": 0.5}, "classification", []),
        ({"common": 0.5, "rare": 0.6}, "classification", ["prior"]),
        ({"common": 1.0}, "classification", ["prior"]),
        ({"common": 0.5, "other": 0.1}, "classification", ["prior.other"]),
        ("uniform", "multilabel", ["prior"]),
        ("support", "regression", ["prior"]),
        (None, "regression", []),
    ],
)
def test_what_a_task_cannot_do_with_a_prior(prior: Prior | None, kind: str, paths: list[str]) -> None:
    assert [error.path for error in wrong_prior(prior, kind, LABELS)] == paths
