"""What goes over the wire, both ways; the server validates with these and the client builds them."""

import math
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag
from pydantic_core import PydanticCustomError, to_json

MAX_ROWS = 100_000  # of one list; the settings are stricter, this one bounds the errors that one body can cause
MAX_OUTPUTS = 1_024
MAX_METADATA_BYTES = 16 * 1024
MAX_METADATA_DEPTH = 16


def _storable(text: str) -> str:
    """PostgreSQL has no way to store U+0000."""
    if "\0" in text:
        raise PydanticCustomError("null_character", "must not contain the character U+0000")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return text


def _small_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    level: list[JsonValue] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        for value in level:
            if isinstance(value, float) and not math.isfinite(value):
                raise PydanticCustomError("finite_number", "must not contain NaN or infinity")
            for text in value if isinstance(value, dict) else [value]:
                if isinstance(text, str):
                    _storable(text)
        level = [part for value in level for part in _parts(value)]
    if level:
        raise PydanticCustomError("too_deep", f"must not nest deeper than {MAX_METADATA_DEPTH} levels")
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise PydanticCustomError("too_large", f"must not be larger than {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


def _parts(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _tag(value: Any) -> str | None:
    """Which alternative a value is meant to be, by its JSON type: its errors are then the only ones told.

    The angle brackets tell a tag from the name of a field where an error is reported, see `path_of`.
    """
    if isinstance(value, bool):
        return None
    names = {str: "<text>", dict: "<image>", Image: "<image>", list: "<list>", int: "<number>", float: "<number>"}
    return names.get(type(value))


def path_of(location: tuple[int | str, ...]) -> str:
    """Where in the body an error is, such as "support.3.label"; unknown names are the sender's, so they are cut."""
    return ".".join(str(part)[:80] for part in location if not str(part).startswith("<"))


Kind: TypeAlias = Literal["classification", "regression"]
Modality: TypeAlias = Literal["image", "text", "vector"]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Text: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": "^[^\\u0000]*$"}),
    AfterValidator(_storable),
    AfterValidator(_not_blank),
]
Metadata: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_small_metadata)]


class Request(BaseModel):
    """A payload from a client: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Response(BaseModel):
    """A payload to a client. Every field is always present, so no field has a default."""

    model_config = ConfigDict(frozen=True)


class Image(Request):
    """A PNG, JPEG or WebP file in base64."""

    image: str


Input: TypeAlias = Annotated[
    Union[  # noqa: UP007 - the tags of `Annotated` are lost on an alias made with |
        Annotated[str, Tag("<text>")],
        Annotated[Image, Tag("<image>")],
        Annotated[list[Number], Field(fail_fast=True), Tag("<list>")],
    ],
    Discriminator(
        _tag,
        custom_error_type="input_kind",
        custom_error_message="expected a base64 image object, a text or a list of numbers",
    ),
]
Target: TypeAlias = Annotated[
    Union[  # noqa: UP007
        Annotated[Number, Tag("<number>")],
        Annotated[list[Number], Field(fail_fast=True, min_length=1, max_length=MAX_OUTPUTS), Tag("<list>")],
    ],
    Discriminator(_tag, custom_error_type="target_kind", custom_error_message="expected a number or a list of numbers"),
]


class Example(Request):
    """One labelled row of a support set: `label` for classification, `target` for regression."""

    id: Text | None = None
    input: Input
    label: Text | None = None
    target: Target | None = None


class CreateTask(Request):
    """Adapt a model to a support set."""

    model: Text
    name: Text | None = None
    support: Annotated[list[Example], Field(min_length=1, max_length=MAX_ROWS)]
    metadata: Metadata = Field(default_factory=dict)


class CreatePredictions(Request):
    """Queries to a task; `top` keeps only the n best labels in the scores."""

    inputs: Annotated[list[Input], Field(min_length=1, max_length=MAX_ROWS)]
    top: Annotated[int, Field(ge=1, strict=True)] | None = None


class Timing(Response):
    """Where the time of a request went."""

    queue_ms: float
    compute_ms: float


class Task(Response):
    """A task: a model adapted to a support set."""

    id: str
    model: str
    model_digest: str
    name: str | None
    kind: Kind
    labels: list[str] | None
    version: int
    num_support: int
    metadata: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime


class CreatedTask(Task):
    """A task just adapted, and how long that took."""

    timing: Timing


class Classification(Response):
    """The best label, and the probability of each label (of the `top` best, if asked)."""

    label: str
    scores: dict[str, float]


class Regression(Response):
    """Predictive mean and standard deviation in the units of the targets; lists where the targets were lists."""

    mean: float | list[float]
    std: float | list[float]


class Predictions(Response):
    """Answers in the order of the inputs, and the version of the task that gave them."""

    task: str
    version: int
    predictions: list[Classification] | list[Regression]
    timing: Timing


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
    """A meta-trained model in the catalog. `digests` are all that are loaded, the one new tasks get first."""

    name: str
    digest: str
    digests: list[str]
    modalities: list[Modality]
    kinds: list[Kind]
    input_dim: int | None
    limits: Limits
    card: dict[str, Any]


class ModelList(Response):
    """The catalog."""

    items: list[Model]


class Health(Response):
    """The answer of a probe when all is well."""

    status: Literal["alive", "ready"]


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
