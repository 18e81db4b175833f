"""One request inside the engine: what is asked, what was found for it, and the future its caller waits on."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from service.engine.arrays import Array, LabelledArrays
from service.engine.cache import CachedTask

Result = TypeVar("Result")
Key: TypeAlias = tuple[str, str]  # tenant, task


class Fetched(Protocol):
    """A task's current version as stored; `params` and their SHA-256 are None where the cached version is current."""

    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def model_digest(self) -> str: ...  # noqa: D102
    @property
    def labels(self) -> list[str] | None: ...  # noqa: D102
    @property
    def params(self) -> bytes | None: ...  # noqa: D102
    @property
    def params_digest(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Answer(Generic[Result]):
    """What the engine made, how long it waited and how long its batch computed; of which version, for a predict."""

    result: Result
    queue_ms: float
    compute_ms: float
    version: int = 0
    labels: list[str] | None = None


@dataclass(eq=False)
class Query:
    """Inputs [Q *X] to a stored task, and what was found of its params before the batch runs."""

    key: Key
    inputs: Array
    found: Fetched | CachedTask | None = None
    read_at: float = 0.0  # in time.monotonic() seconds
    num_drops: int = 0  # of the cache, at that moment: what was dropped since must not be put back


@dataclass(eq=False)
class Ask(Generic[Result]):
    """One request: labelled arrays to adapt to, or a query to predict."""

    digest: str
    work: LabelledArrays | Query
    future: "asyncio.Future[Answer[Result]]"
    added_at: float = field(default_factory=monotonic)

    @property
    def kind(self) -> Literal["adapt", "predict"]:
        """What is asked for."""
        return "adapt" if isinstance(self.work, LabelledArrays) else "predict"

    @property
    def num_rows(self) -> int:
        """Support rows or query rows."""
        return len(self.work.rows if isinstance(self.work, LabelledArrays) else self.work.inputs)

    def settle(self, answer: Answer[Result] | Exception) -> None:
        """Give the caller its answer, unless it has left."""
        if self.future.done():
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


Outcome: TypeAlias = tuple[Ask[Any], Answer[Any] | Exception]
