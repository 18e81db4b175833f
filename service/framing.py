"""Frames held against the truth: intents as classes, slots by name and place, and whole frames."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from service import evaluation, intervals
from service.figures import FrameDifference, FrameFigures, LabelFigures

Span: TypeAlias = tuple[str, int, int]  # name, first character, and the one behind the last
Truth: TypeAlias = tuple[str, Sequence[Span]]  # an intent and its slots


def are_whole(
    known: Sequence[str], truth: Sequence[Truth], probabilities: npt.NDArray[Any], said: Sequence[Sequence[Span]]
) -> npt.NDArray[np.bool_]:
    """Which of the examples [Q] have their intent for the most probable, all their slots and no other."""
    hits = evaluation.hits(known, [intent for intent, _ in truth], probabilities)
    same = [set(own) == set(found) for (_, own), found in zip(truth, said, strict=True)]
    return hits & np.array(same, np.bool_)


def frame_figures(
    known: Sequence[str], truth: Sequence[Truth], probabilities: npt.NDArray[Any], said: Sequence[Sequence[Span]]
) -> FrameFigures:
    """The figures of probabilities [Q N] of the intents that the task knows, and of the slots said of each example."""
    intents = evaluation.classification_figures(known, [intent for intent, _ in truth], probabilities)
    counts: dict[str, list[int]] = {}  # of each name: right, said, true
    for (_, own), found in zip(truth, said, strict=True):
        for place, spans in enumerate((set(own) & set(found), set(found), set(own))):
            for name, _, _ in spans:
                counts.setdefault(name, [0, 0, 0])[place] += 1
    num_right, num_said, num_true = (sum(each[place] for each in counts.values()) for place in range(3))
    whole = are_whole(known, truth, probabilities, said)
    return FrameFigures(
        **dict(intents),
        frame_accuracy=float(whole.mean()),
        frame_accuracy_interval=intervals.of_share(whole),
        slot_f1=_share(2 * num_right, num_said + num_true),
        slot_precision=_share(num_right, num_said),
        slot_recall=_share(num_right, num_true),
        slots={name: _of_name(*counts[name]) for name in sorted(counts)},
    )


def frame_difference(
    one: FrameFigures, other: FrameFigures, whole: npt.NDArray[np.bool_], other_whole: npt.NDArray[np.bool_]
) -> FrameDifference:
    """One version minus another on the same examples, of which these were right altogether."""
    return FrameDifference(
        accuracy=one.accuracy - other.accuracy,
        frame_accuracy=one.frame_accuracy - other.frame_accuracy,
        interval=intervals.of_shares(whole, other_whole),
        slot_f1=None if one.slot_f1 is None or other.slot_f1 is None else one.slot_f1 - other.slot_f1,
    )


def _of_name(right: int, said: int, true: int) -> LabelFigures:
    return LabelFigures(precision=_share(right, said), recall=_share(right, true), support=true)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
