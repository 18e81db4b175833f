"""What is told of a task before its first query: how good it will be, and which labels look wrong."""

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

MAX_SUSPECTS = 20


class Told(BaseModel):
    """A part of an answer. Every field is always present, so no field has a default."""

    model_config = ConfigDict(frozen=True)


class ExpectedAccuracy(Told):
    """The share of right answers to be expected, and between which ends it lies with the probability `level`."""

    accuracy: float
    low: float
    high: float
    level: float


class ExpectedR2(Told):
    """The share of the targets' variance that answers will explain, and between which ends it lies; -1 may be less."""

    r2: float
    low: float
    high: float
    level: float


Expected: TypeAlias = ExpectedAccuracy | ExpectedR2


class Suspect(Told):
    """An example whose label the others contradict: which label they say instead, and how probable that is.

    `index` is its place in the request that made the version, null if the task had it before.
    """

    id: str
    index: int | None
    label: str
    instead: str
    probability: float


class Outlook(Told):
    """What is told of a version when it is made; it is kept with the version's params, and goes with them."""

    expected: Expected | None
    suspects: list[Suspect]
