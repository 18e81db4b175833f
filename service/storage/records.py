"""What goes into the store and what comes out: frozen values, no session and no row behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.errors import TaskDamaged
from service.fields import Prior
from service.forecasts import Outlook
from service.schemas import Slot


def read_slots(stored: list[dict[str, Any]] | None) -> list[Slot] | None:
    """The slots of an example, as they lie in their column."""
    try:
        return None if stored is None else [Slot(**slot) for slot in stored]
    except (ValueError, TypeError):
        raise TaskDamaged("What is stored of the task's slots cannot be read.") from None


def read_outlook(stored: dict[str, Any] | None) -> Outlook | None:
    """What was told of a version, as it lies in its column; of another form, as a later release may have, nothing."""
    try:
        return None if stored is None else Outlook.model_validate(stored)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be stored."""

    tenant: str
    id: str
    name: str | None
    model: str
    kind: str
    metadata: Mapping[str, Any]
    prior: Prior | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Another task that a version learned from: which of its versions, and of how many examples that was."""

    task_id: str
    version: int
    num_support: int


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to be stored, with its params and where they came from."""

    number: int
    model_digest: str
    labels: list[str] | None
    output_dim: int | None  # numbers a target list; none for a single number, or a label
    num_support: int
    support_digest: str
    dtype: str
    libraries: Mapping[str, str]
    seed: int
    params: bytes
    origin: str = "adapt"
    preprocessing: Mapping[str, Any] | None = None  # what made the inputs ready
    sources: Sequence[Source] = ()  # other tasks that it learned from, and
    own_params: bytes | None = None  # what it would be without them
    outlook: Outlook | None = None  # what is told of it


@dataclass(frozen=True, slots=True)
class ExampleRecord:
    """An example as stored: its input as the model takes it, and what its version's model made of it, if anything.

    Or the name of a label, which is stored as an example of it; its `role` says so. Features that are not as they
    were stored are none, and `has_lost_features` tells.
    """

    example_id: str
    ordinal: int
    label: str | list[str] | None
    target: float | list[float] | None
    input: bytes
    features: bytes | None
    role: str = "example"
    slots: list[Slot] | None = None
    has_lost_features: bool = False


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as of its current version."""

    tenant: str
    id: str
    name: str | None
    model: str
    model_digest: str
    kind: str
    labels: list[str] | None
    output_dim: int | None
    version: int
    revision: int
    num_support: int
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    preprocessing: dict[str, Any] | None  # what made the inputs ready, where that is known
    prior: Prior | None
    transferred_from: list[str]
    outlook: Outlook | None  # what was told of the version, where that is kept


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task whose params a batch needs, and the version that is at hand already."""

    tenant: str
    task_id: str
    cached_version: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The current version. Labels, params and their digest come only when the cached version is not it."""

    version: int
    model_digest: str
    labels: list[str] | None
    params: bytes | None
    params_digest: str | None
    prior: Prior | None = None  # of the task, as it is now


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A retained version without its params; what forgetting erased has neither labels nor a digest of its support."""

    number: int
    model_digest: str
    labels: list[str] | None
    num_support: int
    support_digest: str
    created_at: datetime
    origin: str
    is_available: bool
    transferred_from: list[str]
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class Member:
    """An example of a version's support without its input, and the version that it came with."""

    example_id: str
    ordinal: int
    label: str | list[str] | None
    target: float | list[float] | None
    created_at: datetime
    since_version: int
    role: str
    slots: list[Slot] | None


@dataclass(frozen=True, slots=True)
class WholeVersion:
    """All that is kept of a retained version and of its task; no params where forgetting erased them."""

    name: str | None
    model: str
    kind: str
    metadata: dict[str, Any]
    number: int
    model_digest: str
    labels: list[str] | None
    output_dim: int | None
    num_support: int
    support_digest: str
    dtype: str
    libraries: dict[str, Any]
    seed: int
    created_at: datetime
    origin: str
    params: bytes | None
    params_digest: str | None
    prior: Prior | None
    transferred_from: list[str] | None
    preprocessing: dict[str, Any] | None
    outlook: Outlook | None
