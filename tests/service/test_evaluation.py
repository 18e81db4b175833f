"""Figures of evaluations, held against those of scikit-learn."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from service import evaluation

NUM_KNOWN = 4


def test_unknown_is_held_against_what_is_of_none_of_the_labels() -> None:
    truth = ["a", "b", "a", None, "zebra"]
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.6, 0.4], [0.1, 0.9]])
    unknown = np.array([0.05, 0.15, 0.65, 0.65, 0.95], np.float32)
    found = evaluation.unknown_figures(["a", "b"], truth, probabilities, unknown)
    assert found is not None and found.num_examples == 2 and found.auroc == pytest.approx(5.5 / 6)
    told = {each.threshold: [each.caught, each.lost, each.accuracy] for each in found.thresholds}
    assert told[0.1] == pytest.approx([1, 2 / 3, 1]) and told[0.2] == pytest.approx([1, 1 / 3, 0.5])
    assert told[0.7] == pytest.approx([0.5, 0, 2 / 3]) and len(told) == 9
    assert evaluation.unknown_figures(["a", "b"], truth[:3], probabilities[:3], unknown[:3]) is None
    assert evaluation.unknown_figures(["a", "b"], truth, probabilities, None) is None
    alone = evaluation.unknown_figures(["a", "b"], truth[3:], probabilities[3:], unknown[3:])
    assert alone is not None and alone.auroc is None and alone.thresholds[0].lost is None


@dataclass(frozen=True)
class Answered:
    """What a classifier that knows `known` said of examples whose labels are `truth`."""

    known: list[str]
    truth: list[str]
    probabilities: npt.NDArray[np.float32]


@st.composite
def answered(draw: st.DrawFn, num_unknown: int = 2) -> Answered:
    num_known, size = draw(st.integers(2, NUM_KNOWN)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.normal(size=(size, num_known)) * draw(st.sampled_from([0.0, 1.0, 10.0, 1000.0]))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    names = [f"label {way}" for way in range(num_known + num_unknown)]
    truth = [names[way] for way in random.integers(0, len(names), size)]
    return Answered(names[:num_known], truth, (odds / odds.sum(1, keepdims=True)).astype(np.float32))


@given(answered())
def test_classification_is_as_scikit_learn_has_it(case: Answered) -> None:
    found = evaluation.classification_figures(case.known, case.truth, case.probabilities)
    predicted = [case.known[way] for way in case.probabilities.argmax(1)]
    labels = found.confusion.labels
    unknown = list(dict.fromkeys(label for label in case.truth if label not in case.known))
    assert (labels, found.unknown_labels, list(found.labels)) == (case.known + unknown, unknown, labels)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(case.truth, predicted))
    assert found.confusion.counts == metrics.confusion_matrix(case.truth, predicted, labels=labels).tolist()
    options = {"labels": labels, "average": None, "zero_division": np.nan}
    for name, score in (("precision", metrics.precision_score), ("recall", metrics.recall_score)):
        ours = [math.nan if (own := getattr(each, name)) is None else own for each in found.labels.values()]
        np.testing.assert_allclose(ours, score(case.truth, predicted, **options))
    assert [each.support for each in found.labels.values()] == [case.truth.count(label) for label in labels]


@given(answered(num_unknown=0))
def test_log_loss_is_as_scikit_learn_has_it(case: Answered) -> None:
    found = evaluation.classification_figures(case.known, case.truth, case.probabilities)
    true = [case.known.index(label) for label in case.truth]
    expected = metrics.log_loss(true, case.probabilities, labels=range(len(case.known)))
    assert found.log_loss == pytest.approx(
        expected, rel=1e-5, abs=1e-6
    )  # which clips at both ends, in single precision


def test_an_unknown_label_costs_what_a_probability_of_zero_costs() -> None:
    certain = np.array([[1, 0]], np.float32)
    for truth in ("b", "nobody knows me"):
        found = evaluation.classification_figures(["a", "b"], [truth], certain)
        assert found.log_loss == pytest.approx(23 * math.log(2))
        assert (found.accuracy, found.labels[truth].recall, found.labels[truth].precision) == (0, 0, None)


@given(answered())
def test_bins_hold_every_answer_once(case: Answered) -> None:
    found = evaluation.classification_figures(case.known, case.truth, case.probabilities)
    confidence = case.probabilities.max(1).astype(np.float64)
    assert [(each.low, each.high) for each in found.bins] == [(n / 10, (n + 1) / 10) for n in range(10)]
    assert sum(each.count for each in found.bins) == len(case.truth)
    gap = 0.0
    for each in found.bins:
        inside = (confidence > each.low) & (confidence <= each.high) | (confidence > 1) & (each.high == 1)
        assert each.count == inside.sum()
        if each.count:
            is_right = evaluation.hits(case.known, case.truth, case.probabilities)[inside]
            assert (each.confidence, each.accuracy) == (confidence[inside].mean(), is_right.mean())
            gap += each.count * abs(confidence[inside].mean() - is_right.mean())
        else:
            assert (each.confidence, each.accuracy) == (None, None)
    assert found.calibration_error == pytest.approx(gap / len(case.truth))


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 3), st.sampled_from([1e-6, 1.0, 1e12]))
def test_regression_is_as_scikit_learn_has_it(seed: int, size: int, num_outputs: int, unit: float) -> None:
    random = np.random.default_rng(seed)
    truth, mean = unit * random.normal(size=(2, size, num_outputs))
    found = evaluation.regression_figures(truth, mean, np.full((size, num_outputs), unit))
    assert found.mse == pytest.approx(metrics.mean_squared_error(truth, mean))
    assert found.r2 == pytest.approx(metrics.r2_score(truth, mean))
    assert found.coverage.share == pytest.approx((np.abs(truth - mean) <= 1.6448536 * unit).mean())


def test_what_does_not_vary_has_no_r2() -> None:
    truth = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]])
    found = evaluation.regression_figures(truth, truth + 1, np.ones((3, 2)))
    assert found.r2 == pytest.approx(metrics.r2_score(truth[:, 1], truth[:, 1] + 1))
    assert evaluation.regression_figures(truth[:, :1], truth[:, :1], np.ones((3, 1))).r2 is None
    assert evaluation.regression_figures(truth[:1], truth[:1], np.ones((1, 2))).r2 is None


def test_extremes_stay_finite() -> None:
    truth = np.array([[1e15], [-1e15], [0.0]])
    found = evaluation.regression_figures(truth, np.full((3, 1), 3e38, np.float32), np.full((3, 1), 3e38, np.float32))
    assert math.isfinite(found.mse) and found.r2 is not None
    hardly = np.array([[0.0], [1e-150]])
    assert evaluation.regression_figures(hardly, np.full((2, 1), 3e38, np.float32), np.ones((2, 1))).r2 is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_a_version_differs_from_itself_by_nothing(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    truth, mean = random.normal(size=(2, size, 2))
    figures, errors = (
        evaluation.regression_figures(truth, mean, np.ones_like(mean)),
        evaluation.squared_errors(truth, mean),
    )
    difference = evaluation.regression_difference(figures, figures, errors, errors)
    assert (difference.mse, difference.coverage) == (0, 0)
    if size == 1:
        assert difference.interval is None
    else:
        assert difference.interval is not None and (difference.interval.low, difference.interval.high) == (0, 0)
