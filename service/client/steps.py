"""What a call is made of: steps that it yields and that a driver, blocking or async, takes for it. No I/O in here."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """Send this; the answer is an httpx.Response, or an httpx.TransportError is raised.

    With `wanted` it is the first line of the answer that is wanted, and no more is waited for.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wanted: Callable[[str], bool] | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again though it may have been done. A POST that writes carries a key for that."""
        return self.method in ("GET", "POST") or (self.method == "PATCH" and "If-Match" not in self.headers)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so long."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Compute this, which takes a while; the answer is what it returns."""

    do: Callable[[], Any]


Step: TypeAlias = Request | Pause | Work
Steps: TypeAlias = Generator[Step, Any, T]
