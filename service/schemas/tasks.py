"""What is told of tasks, of their support and of their versions."""

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from service.fields import Prior
from service.forecasts import Expected, Suspect
from service.schemas.examples import Slot
from service.schemas.wire import Kind, Origin, Response, Timing


class Task(Response):
    """A task: a model adapted to a support set. `revision` moves with every write to it, as its ETag does.

    `expected` says how good it will be, null where nobody knows; `suspects` are null where they were not kept.
    """

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
    columns: list[str] | None
    created_at: datetime
    updated_at: datetime
    transferred_from: list[str]
    expected: Expected | None
    suspects: list[Suspect] | None


class CreatedTask(Task):
    """A task just adapted.

    Of what was sent: ids of the examples, in their order; positions of those, and labels of names, that were cut.
    `forgotten`: ids of what a request to forget has erased, of damaged examples too, from which nothing can be learned.
    """

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
    """A version of a task. One that used an example forgotten since is not available, and tells less of itself.

    `expected` and `suspects` are as they were told when it was made.
    """

    version: int
    model_digest: str
    labels: list[str] | None
    num_support: int
    support_digest: str | None
    created_at: datetime
    origin: Origin | str
    available: bool
    transferred_from: list[str]
    expected: Expected | None
    suspects: list[Suspect] | None


class VersionList(Response):
    """The versions that are kept, newest first."""

    items: list[TaskVersion]


class TaskPage(Response):
    """One page of tasks, newest first; `next_cursor` is null on the last."""

    items: list[Task]
    next_cursor: str | None
