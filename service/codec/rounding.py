"""Scores with few decimals: they tell less of the examples and of the model behind them, and what is best stays so."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.schemas import Classification, Frame, Multilabel, Regression


def rounded(found: Sequence[Classification | Multilabel | Frame | Regression], digits: int | None) -> list[Any]:
    """The same answers with so many decimals in the scores of labels and slots; numbers that are answers stay."""
    return [*found] if digits is None else [_rounded(each, digits) for each in found]


def _rounded(
    answer: Classification | Multilabel | Frame | Regression, digits: int
) -> Classification | Multilabel | Frame | Regression:
    if isinstance(answer, Regression):
        return answer
    update: dict[str, Any] = {"scores": _few(answer.scores, digits)}
    if isinstance(answer, Classification) and answer.unknown is not None:
        update["unknown"] = round(answer.unknown, digits)
    if isinstance(answer, Frame):
        update["slots"] = [slot.model_copy(update={"score": round(slot.score, digits)}) for slot in answer.slots]
    return answer.model_copy(update=update)


def _few(scores: Mapping[str, float], digits: int) -> dict[str, float]:
    return {label: round(score, digits) for label, score in scores.items()}
