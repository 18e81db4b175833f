"""What went wrong in the database, in the service's own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from service.errors import Conflict, DatabaseUnavailable, InvalidRequest, KshotError

RETRY_AFTER_S = 1.0

# A table, column or right that is missing: the operator's to mend (migrate, grant), so not a fault of the statement.
UNPREPARED = {"42P01", "42703", "42501"}
LOST_RACES = {
    "23505",
    "23503",
    1555,
    2067,
    787,
}  # unique and foreign keys: PostgreSQL's states, SQLite's extended codes
SQLITE_ERROR = 1  # SQLite's code for a statement that is wrong in itself


@contextmanager
def translated() -> Iterator[None]:
    """Raise an outage as DatabaseUnavailable and a lost race as Conflict; faults of the program go through."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        known = translate(error)
        if known is None:
            raise
        raise known from error


def translate(error: exc.SQLAlchemyError) -> KshotError | None:
    """The service's error for this one, or none where the program is at fault."""
    if isinstance(error, exc.IntegrityError):
        lost = Conflict("the task was changed or deleted by another request", retry_after_s=RETRY_AFTER_S)
        return lost if _code(error) in LOST_RACES else None
    if isinstance(error, exc.DataError):
        return InvalidRequest("a text holds a NUL character or a number is out of range; the database cannot keep it")
    return unavailable() if _is_outage(error) else None


def unavailable() -> DatabaseUnavailable:
    """The database does not answer; the client may try again soon. The cause is for the log, not for the client."""
    return DatabaseUnavailable("the database does not answer; try again shortly", retry_after_s=RETRY_AFTER_S)


def _is_outage(error: exc.SQLAlchemyError) -> bool:
    if isinstance(error, exc.TimeoutError):  # no connection became free
        return True
    if not isinstance(error, exc.DBAPIError):
        return False
    if isinstance(error, exc.ProgrammingError | exc.NotSupportedError):
        return _code(error) in UNPREPARED
    return _code(error) != SQLITE_ERROR or "no such" in str(error.orig)


def _code(error: exc.DBAPIError) -> str | int | None:
    """PostgreSQL's SQLSTATE or SQLite's extended result code."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorcode", None)
