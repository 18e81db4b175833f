"""What an evaluation is asked with and what it tells, over the wire."""

from typing import Annotated, TypeAlias

from pydantic import Field

from service.fields import MAX_ROWS, WHOLE, Columns
from service.schemas import MAX_VERSION, Example, Request, Response, Timing

VersionNumber: TypeAlias = Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True), WHOLE]


class CreateEvaluation(Request):
    """Examples whose answers are known; the version to ask (by default the current one), and another beside it.

    A `label` that is null, which has to be written, marks an example that is of none of the task's labels.
    """

    examples: Annotated[list[Example], Field(min_length=1, max_length=MAX_ROWS)]
    version: VersionNumber | None = None
    compare_with: VersionNumber | None = None
    columns: Columns | None = None


class Interval(Response):
    """A confidence interval."""

    level: float
    low: float
    high: float


class LabelFigures(Response):
    """One label: precision is null if it was never predicted, recall if it was never true."""

    precision: float | None
    recall: float | None
    support: int


class Confusion(Response):
    """`counts[i][j]` examples of `labels[i]` were taken for `labels[j]`."""

    labels: list[str]
    counts: list[list[int]]


class Bin(Response):
    """Answers whose probability was above `low`, up to `high`: its mean, and how many were right; null if none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Threshold(Response):
    """What comes of taking answers whose `unknown` is at least `threshold` for none of the labels.

    `caught` of the examples that are of none, `lost` of those that are of one, and the accuracy of the latter that are
    left; null if none are.
    """

    threshold: float
    caught: float
    lost: float | None
    accuracy: float | None


class UnknownFigures(Response):
    """How well `unknown` tells the examples of none of the version's labels from the others.

    `auroc` is the probability that one of none has the higher `unknown`; null where all are of none.
    """

    num_examples: int
    auroc: float | None
    thresholds: list[Threshold]


class ClassificationFigures(Response):
    """How one version classified the examples that have a label: `accuracy_interval` is what they leave open.

    `unknown_labels` are those that it does not know: always wrong. `unknown` is null where no example is of none of its
    labels, and of models that cannot say.
    """

    accuracy: float
    accuracy_interval: Interval
    labels: dict[str, LabelFigures]
    unknown_labels: list[str]
    confusion: Confusion
    log_loss: float
    calibration_error: float
    bins: list[Bin]
    unknown: UnknownFigures | None


class MultilabelFigures(Response):
    """How one version labelled examples that may have several labels, or none.

    `exact` is the share that got all their labels and no other; the F1 scores are null if no label was true or given.
    A bin's `accuracy` is how many of its probabilities were of a label that was true.
    """

    exact: float
    exact_interval: Interval
    micro_f1: float | None
    macro_f1: float | None
    labels: dict[str, LabelFigures]
    unknown_labels: list[str]
    log_loss: float
    calibration_error: float
    bins: list[Bin]


class FrameFigures(ClassificationFigures):
    """How one version read the examples: their intents as classes; and their slots, right if name and place are.

    A slot of a name that the version does not know is missed. The F1 score, precision and recall of slots are null
    where there is nothing to tell; `frame_accuracy` is the share whose intent and slots are all right.
    """

    frame_accuracy: float
    frame_accuracy_interval: Interval
    slot_f1: float | None
    slot_precision: float | None
    slot_recall: float | None
    slots: dict[str, LabelFigures]


class Coverage(Response):
    """The share of the targets inside the central interval that should hold a share of `level`."""

    level: float
    share: float


class RegressionFigures(Response):
    """How one version predicted the targets; of lists, the mean over their places. `r2` is null if no place varies."""

    mse: float
    r2: float | None
    coverage: Coverage


class ClassificationDifference(Response):
    """The evaluated version minus the other; `interval`, of the accuracy, is of the two on the same examples."""

    accuracy: float
    interval: Interval
    log_loss: float
    calibration_error: float


class MultilabelDifference(Response):
    """The evaluated version minus the other; `interval`, of `exact`, is of the two on the same examples."""

    exact: float
    interval: Interval
    micro_f1: float | None
    log_loss: float
    calibration_error: float


class FrameDifference(Response):
    """The evaluated version minus the other; `interval`, of the accuracy of frames, is of the two on the same texts."""

    accuracy: float
    frame_accuracy: float
    interval: Interval
    slot_f1: float | None


class RegressionDifference(Response):
    """The evaluated version minus the other; `interval`, of the mse, is paired, and null for a single example."""

    mse: float
    interval: Interval | None
    r2: float | None
    coverage: float


class ClassificationComparison(ClassificationFigures):
    """The other version on the same examples."""

    version: int
    difference: ClassificationDifference


class MultilabelComparison(MultilabelFigures):
    """The other version on the same examples."""

    version: int
    difference: MultilabelDifference


class FrameComparison(FrameFigures):
    """The other version on the same examples."""

    version: int
    difference: FrameDifference


class RegressionComparison(RegressionFigures):
    """The other version on the same examples."""

    version: int
    difference: RegressionDifference


class Evaluated(Response):
    """What was evaluated, on how many examples."""

    task: str
    version: int
    num_examples: int


class ClassificationEvaluation(ClassificationFigures, Evaluated):
    """A classifier held against examples whose labels are known."""

    comparison: ClassificationComparison | None
    timing: Timing


class MultilabelEvaluation(MultilabelFigures, Evaluated):
    """A task of several labels held against examples whose labels are known."""

    comparison: MultilabelComparison | None
    timing: Timing


class FrameEvaluation(FrameFigures, Evaluated):
    """A task of frames held against examples whose intents and slots are known."""

    comparison: FrameComparison | None
    timing: Timing


class RegressionEvaluation(RegressionFigures, Evaluated):
    """A regression held against examples whose targets are known."""

    comparison: RegressionComparison | None
    timing: Timing


Evaluation: TypeAlias = FrameEvaluation | ClassificationEvaluation | MultilabelEvaluation | RegressionEvaluation
