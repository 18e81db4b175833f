"""What is asked of the service."""

from typing import Annotated

from pydantic import Field

from service.fields import MAX_ROWS, WHOLE, Columns, Metadata, Prior, Text
from service.schemas.examples import Example, Input, LabelNames
from service.schemas.wire import MAX_VERSION, Effort, Request


class CreateTask(Request):
    """Adapt a model to a support set. `label_names` says what labels mean, also of those without an example.

    High effort is always a job; the task is then of the model's companion. `prior` says how often each label is to be
    expected of the queries: all alike, as often as among the examples, or as told; without it scores are the model's.
    With `transfer` it also learns from the tenant's earlier tasks of the model where that is of use. `columns` name
    the cells of rows: later ones may have them in another order, and those of other columns are refused.
    """

    model: Text
    effort: Effort | None = None
    name: Text | None = None
    support: Annotated[list[Example], Field(max_length=MAX_ROWS)] = Field(default_factory=list)
    label_names: LabelNames = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    prior: Prior | None = None
    transfer: Annotated[bool, Field(strict=True)] = False
    columns: Columns | None = None


class ExtendSupport(Request):
    """Teach a task more examples, or names of labels that have none; a label may be new."""

    support: Annotated[list[Example], Field(max_length=MAX_ROWS)] = Field(default_factory=list)
    label_names: LabelNames = Field(default_factory=dict)
    columns: Columns | None = None


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
    columns: Columns | None = None
