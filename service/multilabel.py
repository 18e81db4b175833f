"""Predictions of several labels held against those that are true: numbers in, figures out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service import intervals
from service.evaluation import LEAST, bins_of, calibration_error
from service.figures import LabelFigures, MultilabelDifference, MultilabelFigures
from service.schemas import LIKELY

Bools = npt.NDArray[np.bool_]


def are_exact(known: Sequence[str], truth: Sequence[Sequence[str]], probabilities: npt.NDArray[Any]) -> Bools:
    """Which of the examples [Q] got all their labels and no other."""
    _, true, given = _told(known, truth, probabilities)
    exact: Bools = (true == given).all(1)
    return exact


def multilabel_figures(
    known: Sequence[str], truth: Sequence[Sequence[str]], probabilities: npt.NDArray[Any]
) -> MultilabelFigures:
    """The figures of probabilities [Q N] of the labels that the task knows; true labels may be others."""
    labels, true, given = _told(known, truth, probabilities)
    own, chance = true[:, : len(known)], probabilities.astype(np.float64)
    bins = bins_of(chance.flatten(), own.flatten())
    right = np.where(own, chance, 1 - chance)
    missed = true[:, len(known) :].sum() * np.log(LEAST)  # as if each had got the least probability there is
    exact: Bools = (true == given).all(1)
    return MultilabelFigures(
        exact=float(exact.mean()),
        exact_interval=intervals.of_share(exact),
        micro_f1=_f1(true, given),
        macro_f1=_mean([_f1(true[:, way], given[:, way]) for way in range(len(labels))]),
        labels={label: _label_figures(true[:, way], given[:, way]) for way, label in enumerate(labels)},
        unknown_labels=labels[len(known) :],
        log_loss=float(-(np.log(right.clip(LEAST, 1)).sum() + missed) / true.size),
        calibration_error=calibration_error(bins),
        bins=bins,
    )


def multilabel_difference(
    one: MultilabelFigures, other: MultilabelFigures, exact: Bools, other_exact: Bools
) -> MultilabelDifference:
    """One version minus another on the same examples, of which these were exact."""
    both = one.micro_f1, other.micro_f1
    return MultilabelDifference(
        exact=one.exact - other.exact,
        interval=intervals.of_shares(exact, other_exact),
        micro_f1=None if both[0] is None or both[1] is None else both[0] - both[1],
        log_loss=one.log_loss - other.log_loss,
        calibration_error=one.calibration_error - other.calibration_error,
    )


def _told(
    known: Sequence[str], truth: Sequence[Sequence[str]], probabilities: npt.NDArray[Any]
) -> tuple[list[str], Bools, Bools]:
    """All labels, those that the task knows first; which were true and which were given [Q N]."""
    labels = list(dict.fromkeys([*known, *(label for row in truth for label in row)]))
    index = {label: way for way, label in enumerate(labels)}
    true, given = np.zeros((2, len(truth), len(labels)), np.bool_)
    for row, own in enumerate(truth):
        true[row, [index[label] for label in own]] = True
    given[:, : len(known)] = probabilities >= LIKELY
    return labels, true, given


def _label_figures(true: Bools, given: Bools) -> LabelFigures:
    num_right, num_given, num_true = (int(part.sum()) for part in (true & given, given, true))
    return LabelFigures(
        precision=num_right / num_given if num_given else None,
        recall=num_right / num_true if num_true else None,
        support=num_true,
    )


def _f1(true: Bools, given: Bools) -> float | None:
    total = int(true.sum() + given.sum())
    return 2 * int((true & given).sum()) / total if total else None


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None
