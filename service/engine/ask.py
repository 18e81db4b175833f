"""One request inside the engine: what is asked, what was found for it, and the future its caller waits on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from service.engine.arrays import Array, LabelledArrays
from service.engine.cache import CachedTask, Thresholds
from service.fields import Prior
from service.logs import about
from service.tracing import CURRENT, Trace

Result = TypeVar("Result")
Key: TypeAlias = tuple[str, str]  # tenant, task
Kind: TypeAlias = Literal["adapt", "readapt", "transfer", "encode", "predict"]  # to readapt: to stored features


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
    @property
    def prior(self) -> Prior | None: ...  # noqa: D102


@dataclass(frozen=True)
class Answer(Generic[Result]):
    """What the engine made, how long it waited and how long its batch computed; of which version, for a predict."""

    result: Result
    queue_ms: float
    compute_ms: float
    version: int = 0
    labels: list[str] | None = None
    slots: list[str] | None = None
    prior: Prior | None = None
    thresholds: Thresholds | None = None
    temperature: float = 1.0  # that the scores were divided by


@dataclass(eq=False)
class Query:
    """Inputs [Q *X] to a stored task, and what was found of its params before the batch runs."""

    key: Key
    inputs: Array
    version: int | None = None  # a stated one; else the current one
    found: Fetched | CachedTask | None = None
    read_at: float = 0.0  # in time.monotonic() seconds
    num_drops: int = 0  # of the cache, at that moment: what was dropped since must not be put back

    @property
    def wanted(self) -> tuple[str, str, int | None]:
        """The params that are asked for."""
        return (*self.key, self.version)


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows [B *X] to encode."""

    rows: Array


@dataclass(eq=False)
class Ask(Generic[Result]):
    """One request: labelled arrays to adapt to, new rows to encode, or a query to predict."""

    digest: str
    work: LabelledArrays | NewRows | Query
    future: "asyncio.Future[Answer[Result]]"
    added_at: float = field(default_factory=monotonic)
    tenant: str = ""
    about: Mapping[str, Any] = field(default_factory=about)  # for the log
    trace: Trace | None = field(default_factory=CURRENT.get)
    fetched: tuple[float, float] | None = None  # when its params were read from the database
    began_at: float | None = None  # its batch

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        if isinstance(self.work, LabelledArrays):
            if self.work.others:
                return "transfer"
            return "readapt" if self.work.encoded else "adapt"
        return "encode" if isinstance(self.work, NewRows) else "predict"

    @property
    def num_rows(self) -> int:
        """Support rows, new rows or query rows."""
        return len(self.work.inputs if isinstance(self.work, Query) else self.work.rows)

    def record(self) -> None:
        """Tell the request's trace where the time went, now that it is over."""
        if self.trace is not None:
            now = monotonic()
            self.trace.record("queue", self.added_at, self.began_at or now, kind=self.kind)
            if self.fetched is not None:
                self.trace.record("fetch", *self.fetched)
            if self.began_at is not None:
                self.trace.record("compute", self.began_at, now, kind=self.kind, rows=self.num_rows)

    def settle(self, answer: Answer[Result] | Exception) -> None:
        """Give the caller its answer, unless it has left."""
        if self.future.done():
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


Outcome: TypeAlias = tuple[Ask[Any], Answer[Any] | Exception]
