"""What rivals take and answer: the bodies that a user would declare."""

from typing import Any

from pydantic import BaseModel


class Picture(BaseModel):
    """A file in base64."""

    image: str


Input = str | Picture | list[float]


class Example(BaseModel):
    """A labelled input."""

    input: Input
    label: str


class Adapt(BaseModel):
    """Examples to make a task of."""

    model: str
    support: list[Example]


class Adapted(BaseModel):
    """The new task."""

    id: str


class Predict(BaseModel):
    """Inputs of a task."""

    inputs: list[Input]


class Prediction(BaseModel):
    """The best label, and the probability of each."""

    label: str
    scores: dict[str, float]


class Predicted(BaseModel):
    """An answer to each input."""

    predictions: list[Prediction]


class Copies(BaseModel):
    """How many more tasks there are to be, each a copy of one that was adapted: many tasks, soon made."""

    num_copies: int


class Copied(BaseModel):
    """The ids of the copies."""

    ids: list[str]


def plain(one: Input) -> Any:
    """An input as JSON has it."""
    return {"image": one.image} if isinstance(one, Picture) else one
