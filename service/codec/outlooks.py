"""What was told of a task, as its file has it: by rows of the support, so that nothing is said twice."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from service.errors import FieldError
from service.fields import Text
from service.forecasts import MAX_SUSPECTS, ExpectedAccuracy, ExpectedR2, Outlook, Suspect
from service.schemas import Kind, Request

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Score: TypeAlias = Annotated[float, Field(ge=-1, le=1)]  # an accuracy or R2


class FileExpected(Request):
    """How good the task will be, and between which ends that lies with the probability `level`."""

    middle: Score
    low: Score
    high: Score
    level: Share


class FileSuspect(Request):
    """A row of the support whose label the others contradict."""

    row: Annotated[int, Field(ge=0, strict=True)]
    instead: Text
    probability: Share


class FileOutlook(Request):
    """What was told of the version."""

    expected: FileExpected | None
    suspects: Annotated[list[FileSuspect], Field(max_length=MAX_SUSPECTS)]


def write_outlook(outlook: Outlook, ids: Sequence[str]) -> dict[str, Any]:
    """That of a task whose examples have these ids, for its file."""
    found = outlook.expected
    if found is not None:
        middle = found.accuracy if isinstance(found, ExpectedAccuracy) else found.r2
        expected = {"middle": middle, "low": found.low, "high": found.high, "level": found.level}
    rows = {id_: row for row, id_ in enumerate(ids)}
    suspects = [
        {"row": rows[each.id], "instead": each.instead, "probability": each.probability}
        for each in outlook.suspects
        if each.id in rows  # else it was damaged, and a task can do without
    ]
    return {"expected": None if found is None else expected, "suspects": suspects}


def read_outlook(told: FileOutlook, kind: Kind, ids: Sequence[str], labels: Sequence[object]) -> Outlook:
    """That of a file which `wrong_outlook` finds nothing wrong with; its examples have these ids and labels."""
    suspects = [
        Suspect(
            id=ids[each.row],
            index=each.row,
            label=str(labels[each.row]),
            instead=each.instead,
            probability=each.probability,
        )
        for each in told.suspects
    ]
    found = told.expected
    if found is None:
        return Outlook(expected=None, suspects=suspects)
    ends = {"low": found.low, "high": found.high, "level": found.level}
    is_regression = kind == "regression"
    expected = ExpectedR2(r2=found.middle, **ends) if is_regression else ExpectedAccuracy(accuracy=found.middle, **ends)
    return Outlook(expected=expected, suspects=suspects)


def wrong_outlook(told: FileOutlook, kind: Kind, labels: Sequence[object]) -> Iterator[FieldError]:
    """What no service tells of a task of this kind, whose rows have these labels."""
    found = told.expected
    if found is not None and not (found.low <= found.middle <= found.high):
        yield FieldError("outlook.expected", "expected a middle between its ends")
    if found is not None and kind != "regression" and (kind != "classification" or found.low < 0):
        yield FieldError("outlook.expected", f"is not what is told of a {kind}")
    for place, each in enumerate(told.suspects):
        if each.row >= len(labels) or not isinstance(labels[each.row], str):
            yield FieldError(f"outlook.suspects.{place}.row", "is no row of the support with one label")
        elif each.instead not in labels or each.instead == labels[each.row]:
            yield FieldError(f"outlook.suspects.{place}.instead", "is no other label of the support")
    if len({each.row for each in told.suspects}) < len(told.suspects):
        yield FieldError("outlook.suspects", "expected each row once")
