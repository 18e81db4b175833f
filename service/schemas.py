"""What goes over the wire, both ways; the server validates with these and the client builds them."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeAlias, Union

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, Tag
from pydantic.json_schema import SkipJsonSchema

from service.errors import KshotError
from service.fields import MAX_ROWS, WHOLE, Cells, Id, Metadata, Number, Prior, Target, Text, an_object, by_type
from service.forecasts import Expected, Suspect

MAX_LABELS = 1_024  # of one example
MAX_SLOTS = 100  # of one example
MAX_PLACE = 2**31 - 1  # in a text
MAX_VERSION = 2**31 - 1
LIKELY = 0.5  # from here on a label of several is given

# Of answers, other words than these are passed on: what a later release has stored is read by this one beside it.
Kind: TypeAlias = Literal["classification", "regression", "multilabel", "frames"]
Origin: TypeAlias = Literal["adapt", "extend", "forget", "rollback", "readapt", "import"]
Effort: TypeAlias = Literal["fast", "high"]
JobKind: TypeAlias = Literal["adapt", "extend", "readapt", "forget"]
JobState: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Modality: TypeAlias = Literal["image", "text", "vector", "table"]


class Request(BaseModel):
    """A payload from a client: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    """A payload to a client. Every field is always present, so no field has a default."""

    model_config = ConfigDict(frozen=True)


class Image(Request):
    """A PNG, JPEG or WebP file in base64."""

    image: str


File: TypeAlias = Annotated[  # an image as it is: from a form, never from JSON, but written as an `Image`
    bytes,
    PlainSerializer(lambda data: {"image": b64encode(data).decode()}, when_used="json"),
]
Input: TypeAlias = Annotated[
    Union[  # noqa: UP007 - the tags of `Annotated` are lost on an alias made with |
        Annotated[str, Tag("<str>")],
        Annotated[Image, Tag("<dict>")],
        Annotated[SkipJsonSchema[File], Tag("<bytes>")],
        Annotated[list[Number], Field(fail_fast=True), Tag("<list>")],
        Annotated[Cells, Tag("<cells>")],
    ],
    by_type("a base64 image object, a text, a list of numbers, or a row of numbers, texts and nulls", has_cells=True),
]


Label: TypeAlias = Annotated[
    Union[  # noqa: UP007
        Annotated[Text, Tag("<str>")],
        Annotated[list[Text], Field(fail_fast=True, max_length=MAX_LABELS), Tag("<list>")],
    ],
    by_type("a label, which is a string, or a list of labels"),
]
LabelNames: TypeAlias = Annotated[dict[Text, Text], Field(max_length=MAX_ROWS), an_object("labels and what they mean")]


class Slot(Request):
    """A slot of a text: its name, its first character and the one behind its last, counted in Unicode code points."""

    name: Text
    start: Annotated[int, Field(ge=0, le=MAX_PLACE, strict=True), WHOLE]
    end: Annotated[int, Field(ge=0, le=MAX_PLACE, strict=True), WHOLE]


class Example(Request):
    """One labelled row of a support set: `label` for classification, `target` for regression.

    Where each label is a list, of any number of labels or none, the task is of the kind multilabel. Of frames, `label`
    is the intent of the text and `slots` are parts of it that mean something; a text may have none.
    """

    id: Id | None = None
    input: Input
    label: Label | None = None
    target: Target | None = None
    slots: Annotated[list[Slot], Field(max_length=MAX_SLOTS)] | None = None

    @property
    def role(self) -> Literal["example"]:
        """What it is in the support, beside the names of labels."""
        return "example"


class CreateTask(Request):
    """Adapt a model to a support set. `label_names` says what labels mean, also of those without an example.

    High effort is always a job; the task is then of the model's companion. `prior` says how often each label is to be
    expected of the queries: all alike, as often as among the examples, or as told; without it scores are the model's.
    With `transfer` it also learns from the tenant's earlier tasks of the model where that is of use.
    """

    model: Text
    effort: Effort | None = None
    name: Text | None = None
    support: Annotated[list[Example], Field(max_length=MAX_ROWS)] = Field(default_factory=list)
    label_names: LabelNames = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    prior: Prior | None = None
    transfer: Annotated[bool, Field(strict=True)] = False


class ExtendSupport(Request):
    """Teach a task more examples, or names of labels that have none; a label may be new."""

    support: Annotated[list[Example], Field(max_length=MAX_ROWS)] = Field(default_factory=list)
    label_names: LabelNames = Field(default_factory=dict)


class UpdateTask(Request):
    """Rename a task, replace its metadata or its prior; null takes name or prior away, what is left out stays."""

    name: Text | None = None
    metadata: Metadata = Field(default_factory=dict)
    prior: Prior | None = None


class Rollback(Request):
    """Go back to an earlier version."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True), WHOLE]


class Readapt(Request):
    """Move to another digest of the task's model: the newest, or the one that begins with these letters."""

    model_digest: Annotated[str, Field(pattern="^[0-9a-f]{1,64}$")] | None = None


class CreatePredictions(Request):
    """Queries to a task; `top` keeps only the n best labels in the scores, `coverage` asks for sets of labels."""

    inputs: Annotated[list[Input], Field(min_length=1, max_length=MAX_ROWS)]
    top: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = None
    coverage: Annotated[float, Field(ge=0.5, le=0.99, strict=True)] | None = None


class Timing(Response):
    """Where the time of a request went."""

    queue_ms: float
    compute_ms: float


class Task(Response):
    """A task: a model adapted to a support set. `revision` moves with every write to it, as its ETag does."""

    id: str
    model: str
    model_digest: str
    name: str | None
    kind: Kind | str
    labels: list[str] | None
    version: int
    revision: int
    num_support: int
    metadata: dict[str, JsonValue]
    prior: Prior | None
    created_at: datetime
    updated_at: datetime
    transferred_from: list[str]


class CreatedTask(Task):
    """A task just adapted, and how good it will be (null where the model cannot say).

    Of what was sent: ids of the examples, in their order; positions of those, and labels of names, that were cut.
    `forgotten`: ids of what a request to forget has erased, of damaged examples too, from which nothing can be learned.
    """

    expected: Expected | None
    suspects: list[Suspect]
    timing: Timing
    truncated: list[int]
    truncated_names: list[str]
    example_ids: list[str]
    forgotten: list[str]


class SupportExample(Response):
    """An example of a task's support or a label's name, without its input, and the version that it came with."""

    id: str
    role: Literal["example", "name"]
    label: str | list[str] | None
    target: float | list[float] | None
    created_at: datetime
    since_version: int
    slots: list[Slot] | None


class SupportPage(Response):
    """One page of a support set, in the order in which it came; `next_cursor` is null on the last."""

    items: list[SupportExample]
    next_cursor: str | None


class TaskVersion(Response):
    """A version of a task. One that used an example forgotten since is not available, and tells less of itself."""

    version: int
    model_digest: str
    labels: list[str] | None
    num_support: int
    support_digest: str | None
    created_at: datetime
    origin: Origin | str
    available: bool
    transferred_from: list[str]


class VersionList(Response):
    """The versions that are kept, newest first."""

    items: list[TaskVersion]


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


class TaskPage(Response):
    """One page of tasks, newest first; `next_cursor` is null on the last."""

    items: list[Task]
    next_cursor: str | None


class Limits(Response):
    """What one request may hold."""

    max_ways: int
    max_examples: int
    max_inputs: int
    max_body_bytes: int
    max_image_pixels: int
    max_in_flight: int
    request_timeout_s: float


class Model(Response):
    """A meta-trained model in the catalog. `digests` are all that are loaded, the one new tasks get first.

    `label_names`: whether it can be told what labels mean. `transfer`: whether new tasks can learn from earlier ones.
    """

    name: str
    digest: str
    digests: list[str]
    modalities: list[Modality]
    kinds: list[Kind]
    label_names: bool
    transfer: bool
    efforts: list[Effort]
    input_dim: int | None
    limits: Limits
    card: dict[str, Any]


class ModelList(Response):
    """The catalog."""

    items: list[Model]


class Health(Response):
    """The answer of a probe when all is well."""

    status: Literal["alive", "ready", "degraded"]


class BadField(Response):
    """One bad field: where it is ("support.3.input"), what is wrong with it and what was expected."""

    path: str
    message: str


class Problem(Response):
    """An error, as RFC 9457 problem details with a machine-readable code and the path of each bad field."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[BadField]

    @classmethod
    def of(cls, error: KshotError) -> Self:
        """What is told of this error."""
        return cls(
            type=f"urn:kshot:problem:{error.code}",
            title=error.title,
            status=error.status,
            detail=error.detail,
            code=error.code,
            errors=[BadField(path=each.path, message=each.message) for each in error.errors],
        )


class Progress(Response):
    """How many examples have been decoded, of how many; to readapt needs no decoding, and all count at its end."""

    done: int
    total: int


class Job(Response):
    """Work that was accepted. `task` is the task that it makes or changes, from the start.

    `result` is what the request would have been answered without a job; it goes when the task goes, or forgets.
    """

    id: str
    kind: JobKind | str
    state: JobState
    task: str
    progress: Progress
    result: CreatedTask | None
    problem: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Response):
    """One page of jobs, newest first; `next_cursor` is null on the last."""

    items: list[Job]
    next_cursor: str | None
