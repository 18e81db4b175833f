"""Predictions held against what is true: numbers in, figures out."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from service import intervals
from service.figures import (
    Bin,
    ClassificationDifference,
    ClassificationFigures,
    Confusion,
    Coverage,
    LabelFigures,
    RegressionDifference,
    RegressionFigures,
    Threshold,
    UnknownFigures,
)

NUM_BINS = 10
COVERAGE_LEVEL = 0.9
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of `unknown`
# What single precision tells from zero beside one. A label has at least this probability, also one that the task does
# not know, or a single such example would make the log loss infinite.
LEAST = float(np.finfo(np.float32).eps)

Floats = npt.NDArray[np.float64]


def hits(known: Sequence[str], truth: Sequence[str | None], probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of the examples [Q] have their true label for the most probable."""
    best = probabilities.argmax(1).tolist()
    return np.array([known[way] == label for way, label in zip(best, truth, strict=True)], np.bool_)


def classification_figures(
    known: Sequence[str],
    truth: Sequence[str],
    probabilities: npt.NDArray[Any],
    unknown: UnknownFigures | None = None,
) -> ClassificationFigures:
    """The figures of probabilities [Q N] of the labels that the task knows; a true label may be another."""
    labels = list(dict.fromkeys([*known, *truth]))
    index = {label: way for way, label in enumerate(labels)}
    true = np.array([index[label] for label in truth])
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (true, probabilities.argmax(1)), 1)
    is_hit, confidence = hits(known, truth, probabilities), probabilities.max(1).astype(np.float64)
    bins = bins_of(confidence, is_hit)
    return ClassificationFigures(
        accuracy=float(is_hit.mean()),
        accuracy_interval=intervals.of_share(is_hit),
        labels={label: _label_figures(counts, way) for way, label in enumerate(labels)},
        unknown_labels=labels[len(known) :],
        confusion=Confusion(labels=labels, counts=counts.tolist()),
        log_loss=_log_loss(true, probabilities.astype(np.float64)),
        calibration_error=calibration_error(bins),
        bins=bins,
        unknown=unknown,
    )


def unknown_figures(
    known: Sequence[str], truth: Sequence[str | None], probabilities: npt.NDArray[Any], unknown: npt.NDArray[Any] | None
) -> UnknownFigures | None:
    """The figures of `unknown` [Q], if any example is of none of the labels that the task knows."""
    is_none = np.array([label not in known for label in truth], np.bool_)
    if unknown is None or not is_none.any():
        return None
    is_hit = hits(known, truth, probabilities)
    return UnknownFigures(
        num_examples=int(is_none.sum()),
        auroc=_auroc(unknown[is_none], unknown[~is_none]),
        thresholds=[_at(threshold, unknown, is_none, is_hit) for threshold in THRESHOLDS],
    )


def classification_difference(
    one: ClassificationFigures,
    other: ClassificationFigures,
    hits: npt.NDArray[np.bool_],
    other_hits: npt.NDArray[np.bool_],
) -> ClassificationDifference:
    """One version minus another on the same examples, of which these were right."""
    return ClassificationDifference(
        accuracy=one.accuracy - other.accuracy,
        interval=intervals.of_shares(hits, other_hits),
        log_loss=one.log_loss - other.log_loss,
        calibration_error=one.calibration_error - other.calibration_error,
    )


def squared_errors(truth: Floats, mean: npt.NDArray[Any]) -> Floats:
    """Of each example [Q], over the places of its target."""
    errors: Floats = np.square(mean.astype(np.float64) - truth).mean(1)
    return errors


def regression_figures(truth: Floats, mean: npt.NDArray[Any], std: npt.NDArray[Any]) -> RegressionFigures:
    """The figures of means and standard deviations [Q O] of normal distributions."""
    reach = NormalDist().inv_cdf((1 + COVERAGE_LEVEL) / 2) * std.astype(np.float64)
    is_inside = np.abs(truth - mean.astype(np.float64)) <= reach
    return RegressionFigures(
        mse=float(squared_errors(truth, mean).mean()),
        r2=_r2(truth, mean.astype(np.float64)),
        coverage=Coverage(level=COVERAGE_LEVEL, share=float(is_inside.mean())),
    )


def regression_difference(
    one: RegressionFigures, other: RegressionFigures, errors: Floats, other_errors: Floats
) -> RegressionDifference:
    """One version minus another on the same examples, with these squared errors."""
    return RegressionDifference(
        mse=one.mse - other.mse,
        interval=intervals.of_mean(errors - other_errors),
        r2=None if one.r2 is None or other.r2 is None else one.r2 - other.r2,
        coverage=one.coverage.share - other.coverage.share,
    )


def _auroc(of_none: npt.NDArray[Any], others: npt.NDArray[Any]) -> float | None:
    if not len(others):
        return None
    return float((of_none[:, None] > others).mean() + (of_none[:, None] == others).mean() / 2)


def _at(
    threshold: float, unknown: npt.NDArray[Any], is_none: npt.NDArray[np.bool_], is_hit: npt.NDArray[np.bool_]
) -> Threshold:
    is_taken, is_left = unknown >= threshold, ~is_none & (unknown < threshold)
    return Threshold(
        threshold=threshold,
        caught=float(is_taken[is_none].mean()),
        lost=None if is_none.all() else float(is_taken[~is_none].mean()),
        accuracy=float(is_hit[is_left].mean()) if is_left.any() else None,
    )


def _label_figures(counts: npt.NDArray[np.int64], way: int) -> LabelFigures:
    num_right, num_predicted, num_true = (int(part.sum()) for part in (counts[way, way], counts[:, way], counts[way]))
    return LabelFigures(
        precision=num_right / num_predicted if num_predicted else None,
        recall=num_right / num_true if num_true else None,
        support=num_true,
    )


def _log_loss(true: npt.NDArray[np.int64], probabilities: Floats) -> float:
    own = np.zeros(len(true))
    is_known = true < probabilities.shape[1]
    own[is_known] = probabilities[is_known, true[is_known]]
    return float(-np.log(own.clip(LEAST, 1)).mean())


def bins_of(confidence: Floats, is_hit: npt.NDArray[np.bool_]) -> list[Bin]:
    """Probabilities in equal bins, and how many of each came true."""
    edges = [number / NUM_BINS for number in range(NUM_BINS + 1)]
    place = np.digitize(confidence, edges[1:-1], right=True)
    inside = [place == number for number in range(NUM_BINS)]
    return [
        Bin(
            low=low,
            high=high,
            count=int(here.sum()),
            confidence=float(confidence[here].mean()) if here.any() else None,
            accuracy=float(is_hit[here].mean()) if here.any() else None,
        )
        for low, high, here in zip(edges, edges[1:], inside, strict=False)
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """How far probabilities are from what comes true, on average."""
    gaps = (each.count * abs((each.confidence or 0) - (each.accuracy or 0)) for each in bins)
    return sum(gaps) / sum(each.count for each in bins)


def _r2(truth: Floats, mean: Floats) -> float | None:
    """The mean over the places whose targets vary: of the others nothing is to be explained."""
    spread = np.square(truth - truth.mean(0)).sum(0)
    varies = (np.ptp(truth, axis=0) > 0) & (spread > 0)
    if not varies.any():
        return None
    with np.errstate(over="ignore"):
        shares = 1 - np.square(truth - mean).sum(0)[varies] / spread[varies]
    return float(shares.mean()) if np.isfinite(shares).all() else None
