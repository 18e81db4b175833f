"""What is told of a version when it is made: how good the task will be, and which examples look wrong."""

from collections.abc import Sequence
from dataclasses import replace

from service.engine.arrays import Forecast
from service.forecasts import Expected, ExpectedAccuracy, ExpectedR2, Outlook
from service.storage.records import ExampleRecord, NewVersion
from service.tasks.suspects import suspects_of


def foretold(
    version: NewVersion,
    kind: str,
    forecast: Forecast | None,
    sent: Sequence[ExampleRecord] = (),
    known: Sequence[ExampleRecord] = (),
) -> NewVersion:
    """The version with what is told of it, adapted to examples that its task has `known` before and to those `sent`."""
    suspects = suspects_of(version.labels or (), forecast, known, sent)
    return replace(version, outlook=Outlook(expected=_expected(kind, forecast), suspects=suspects))


def _expected(kind: str, forecast: Forecast | None) -> Expected | None:
    """How good the task will be."""
    if forecast is None:
        return None
    low, middle, high = (round(end, 4) for end in forecast.ends)
    if kind == "regression":
        return ExpectedR2(r2=middle, low=low, high=high, level=forecast.level)
    return ExpectedAccuracy(accuracy=middle, low=low, high=high, level=forecast.level)
