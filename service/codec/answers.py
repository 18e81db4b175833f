"""Scores as numpy -> answers as sent; and the marks between pages."""

import base64
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import FieldError, InvalidRequest
from service.ids import is_id
from service.schemas import LIKELY, Classification, Multilabel, Regression


def classifications(
    labels: Sequence[str],
    probabilities: npt.NDArray[Any],
    top: int | None,
    unknown: npt.NDArray[Any] | None = None,
    least: float | None = None,
) -> list[Classification]:
    """Probabilities [Q N] of labels, the most probable first, only the `top` of them if asked; and of none of them.

    With the `least` log-probability of labels in a set, also that set, in which the best label always is.
    """
    sets = [None] * len(probabilities) if least is None else _label_sets(labels, probabilities, least)
    nowhere = [None] * len(probabilities) if unknown is None else unknown.tolist()
    return [
        # nothing to validate: the numbers are the engine's own
        Classification.model_construct(label=next(iter(scores)), scores=scores, unknown=other, label_set=own)
        for scores, other, own in zip(ranked(labels, probabilities, top), nowhere, sets, strict=True)
    ]


def _label_sets(labels: Sequence[str], probabilities: npt.NDArray[Any], least: float) -> list[list[str] | None]:
    with np.errstate(divide="ignore"):
        is_in = np.log(probabilities) >= least
    order = np.argsort(-probabilities, axis=1, kind="stable").tolist()
    return [
        [labels[way] for place, way in enumerate(ways) if place == 0 or own[way]]
        for ways, own in zip(order, is_in.tolist(), strict=True)
    ]


def least_for(coverage: float, thresholds: Sequence[tuple[float, float]]) -> float:
    """The least log-probability of labels in sets of this coverage, between those that are known, by their log-odds."""
    levels, least = np.array(thresholds, np.float64).T
    odds = np.log(levels / (1 - levels))
    return float(np.interp(np.log(coverage / (1 - coverage)), odds, least))


def multilabels(labels: Sequence[str], probabilities: npt.NDArray[Any], top: int | None) -> list[Multilabel]:
    """The labels that are more likely than not, and probabilities [Q N]; only of the `top` most probable, if asked."""
    return [
        Multilabel.model_construct(labels=[label for label, score in scores.items() if score >= LIKELY], scores=scores)
        for scores in ranked(labels, probabilities, top)
    ]


def ranked(labels: Sequence[str], probabilities: npt.NDArray[Any], top: int | None) -> Iterator[dict[str, float]]:
    """Each row's labels with their probabilities, the most probable first."""
    rows = (zip(labels, row, strict=True) for row in probabilities.tolist())
    return (dict(sorted(row, key=itemgetter(1), reverse=True)[:top]) for row in rows)  # which keeps the order of equals


def regressions(mean: npt.NDArray[Any], std: npt.NDArray[Any], *, scalar: bool) -> list[Regression]:
    """Mean and standard deviation [Q O]: numbers where the targets were numbers, else lists."""
    means, stds = (mean[:, 0].tolist(), std[:, 0].tolist()) if scalar else (mean.tolist(), std.tolist())
    return [Regression.model_construct(mean=each, std=spread) for each, spread in zip(means, stds, strict=True)]


def write_cursor(last_id: str) -> str:
    """An opaque mark behind the last item of a page."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def read_cursor(cursor: str, prefix: str = "task") -> str:
    """The id in a cursor, of a task or of another kind. Raises InvalidRequest when `write_cursor` did not write it."""
    last_id = _unmarked(cursor)
    if not is_id(last_id, prefix):
        raise _not_a_cursor()
    return last_id


def read_ordinal(cursor: str) -> int:
    """The place of an example in a cursor. Raises InvalidRequest when `write_cursor` did not write it."""
    ordinal = _unmarked(cursor)
    if not (ordinal.isdecimal() and len(ordinal) < 10):  # no database column would hold more
        raise _not_a_cursor()
    return int(ordinal)


def _unmarked(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        return ""


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest.at([FieldError("query.cursor", "expected the next_cursor of an earlier page")])
