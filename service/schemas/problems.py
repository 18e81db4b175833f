"""What is told of the service itself: that it is well, or what went wrong."""

from typing import Literal, Self

from service.errors import KshotError
from service.schemas.wire import Response


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
