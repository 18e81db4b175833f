"""What tasks answer, by their kinds."""

from service.schemas.wire import Response, Timing

LIKELY = 0.5  # from here on a label of several is given


class Classification(Response):
    """The best label, and the probability of each label (of the `top` best, if asked).

    `unknown` is the probability that the right answer is none of the labels; null from models that cannot say. Asked
    for a coverage, `label_set` holds the right label that often, on average over tasks like the model's own.
    """

    label: str
    scores: dict[str, float]
    unknown: float | None
    label_set: list[str] | None


class Multilabel(Response):
    """The labels that are more likely than not, perhaps none, and the probability of each by itself."""

    labels: list[str]
    scores: dict[str, float]


class FoundSlot(Response):
    """A slot in the text that was sent, `text` from `start` up to before `end`; `score` is its probability."""

    name: str
    start: int
    end: int
    text: str
    score: float


class Frame(Response):
    """The intent, as of a classification; the slots from left to right, which never overlap; and both as one form."""

    label: str
    scores: dict[str, float]
    slots: list[FoundSlot]
    form: str


class Regression(Response):
    """Predictive mean and standard deviation in the units of the targets; lists where the targets were lists."""

    mean: float | list[float]
    std: float | list[float]


class Predictions(Response):
    """Answers in the order of the inputs, the version of the task that gave them, and which texts were cut."""

    task: str
    version: int
    predictions: list[Frame] | list[Classification] | list[Multilabel] | list[Regression]
    timing: Timing
    truncated: list[int]
