"""What went wrong in the database, in the service's own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from service.errors import Conflict, DatabaseUnavailable, InvalidRequest, KshotError, TaskDamaged

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
CLOSED = "This connection is closed"
SQLITE_ERROR = 1  # SQLite's code for a statement that is wrong in itself
UNREADABLE = ("Could not decode to UTF-8", "malformed JSON")  # SQLite's of a row whose bytes are not what was stored


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
    if isinstance(error, exc.OperationalError) and any(each in str(error.orig) for each in UNREADABLE):
        return TaskDamaged("A text that is stored of the task cannot be read.")
    return unavailable() if _is_outage(error) else None


def unavailable() -> DatabaseUnavailable:
    """The database does not answer; the client may try again soon. The cause is for the log, not for the client."""
    return DatabaseUnavailable("the database does not answer; try again shortly", retry_after_s=RETRY_AFTER_S)


def reason(error: DatabaseUnavailable) -> str:
    """What the driver said, in one line."""
    cause = error.__cause__
    while isinstance(cause, DatabaseUnavailable):
        cause = cause.__cause__
    return str(getattr(cause, "orig", cause)).partition("\n")[0]


def is_full(error: DatabaseUnavailable) -> bool:
    """Whether the server refused another connection: it is there, and those that exist go on."""
    return "too many connections" in reason(error) or "connection slots" in reason(error)


def is_no_table(error: exc.DBAPIError) -> bool:
    """Whether a table is missing: the database is there, and nobody has migrated it."""
    return _code(error) == "42P01" or "no such table" in str(error.orig)


def _is_outage(error: exc.SQLAlchemyError) -> bool:
    # no connection became free; or it was lost, and what came after it found it so
    if isinstance(error, exc.TimeoutError | exc.PendingRollbackError | exc.ResourceClosedError):
        return True
    if isinstance(error, exc.InvalidRequestError):  # each connection that the pool made was dropped at once
        return str(error) == CLOSED
    if not isinstance(error, exc.DBAPIError):
        return False
    if isinstance(error, exc.ProgrammingError | exc.NotSupportedError):
        return _code(error) in UNPREPARED
    return _code(error) != SQLITE_ERROR or "no such" in str(error.orig)


def _code(error: exc.DBAPIError) -> str | int | None:
    """PostgreSQL's SQLSTATE or SQLite's extended result code."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorcode", None)
