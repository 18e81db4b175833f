"""What the commands share: the options that find the service, and errors as sentences."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from service.client import Client
    from service.errors import FieldError
    from service.settings import Settings
    from service.storage.database import Database

Result = TypeVar("Result")
Url = Annotated[str, typer.Option(envvar="KSHOT_URL", help="Where the service listens.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
SAME = 2  # errors told that say the same
LOCAL = "http://127.0.0.1:8000"
OF_COMMANDS = {"KSHOT_URL", "KSHOT_API_KEY", "KSHOT_DATA"}  # read by some, and no settings of the service


def connect(url: str) -> "Client":
    """A client with the key of KSHOT_API_KEY; not an option, as arguments are for all to see."""
    from service.client import Client

    return Client(url, api_key=api_key())


def api_key() -> str | None:
    """What KSHOT_API_KEY says, if anything."""
    return os.environ.get("KSHOT_API_KEY") or None


def settings_in_force() -> "Settings":
    """The settings of the environment; what is wrong with them, as sentences that name the variables."""
    from pydantic import ValidationError

    from service.settings import Settings, variable

    try:
        return Settings()
    except ValidationError as error:
        fail("\n".join(f"{variable(str(each['loc'][0]))}: {each['msg']}" for each in error.errors()))


def tell_unknown_settings() -> None:
    """Say on standard error which variables look like settings and are none: they are ignored, which may surprise."""
    from difflib import get_close_matches

    from service.settings import Settings, variable

    known = [variable(name) for name in Settings.model_fields]
    given = {name.upper() for name in os.environ if name.upper().startswith(variable(""))}
    for name in sorted(given - {*known} - OF_COMMANDS):
        close = get_close_matches(name, known, 1, 0.75)
        typer.echo(f"{name} is no setting, and is ignored.{f' Is {close[0]} meant?' if close else ''}", err=True)


@contextmanager
def clear_errors(placed: Callable[[str], str] = str) -> Iterator[None]:
    """What goes wrong between here and the service, as a sentence instead of a traceback.

    `placed` puts the places that the service names into the words of who sent it.
    """
    from pydantic import ValidationError

    from service.errors import KshotError, Unauthenticated

    try:
        yield
    except Unauthenticated as error:
        fail(f"{error} Commands take it from the variable KSHOT_API_KEY.")
    except KshotError as error:
        fail(placed("\n".join([str(error), *_others(error.errors)])))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValidationError as error:
        fail(f"The file is not a valid request: {error}")


def _others(errors: "Sequence[FieldError]") -> Iterator[str]:
    """What else is wrong than the first, of which the sentence tells; what is said of many is said of two."""
    for place, each in enumerate(errors):
        same = [number for number, other in enumerate(errors) if other.message == each.message]
        if place and same.index(place) < SAME:
            yield f"  {each.path}: {each.message}"
        if place == same[min(len(same), SAME) - 1] and len(same) > SAME:
            yield f"  and {len(same) - SAME} more of the same"


def where_stored(url: str) -> str:
    """Which database this is, and that a file of SQLite is not there yet: perhaps another was meant."""
    from sqlalchemy import exc

    from service.storage.engines import database_url

    try:
        found = database_url(url)
    except (ValueError, exc.ArgumentError) as error:
        fail(f"The database of KSHOT_DATABASE_URL cannot be used: {error}")
    if found.get_backend_name() != "sqlite":
        return f"The database is {found.render_as_string()}."
    if found.query.get("uri"):  # a URI, which SQLite takes apart
        return f"The database is {found.database}."
    path = Path(str(found.database)).absolute()
    if path.exists():
        return f"The database is {path}."
    return f"The database {path} is new. If you meant another, name it by KSHOT_DATABASE_URL, or work in its folder."


@contextmanager
def clear_database_errors(url: str) -> Iterator[None]:
    """Why this database cannot be used, as a sentence."""
    from alembic.util import CommandError
    from sqlalchemy import exc, make_url

    from service.errors import DatabaseUnavailable

    try:
        yield
    except (CommandError, ValueError, exc.ArgumentError, exc.NoSuchModuleError) as error:
        fail(f"The database of KSHOT_DATABASE_URL cannot be used: {error}")
    except (DatabaseUnavailable, exc.SQLAlchemyError) as error:
        cause = (isinstance(error, DatabaseUnavailable) and error.__cause__) or error
        reason = str(getattr(cause, "orig", cause)).partition("\n")[0]
        fail(f"The database {make_url(url).render_as_string()} cannot be used: {reason}")


def on_database(settings: "Settings", work: "Callable[[Database], Awaitable[Result]]") -> Result:
    """Do work of minutes on the database of the settings."""
    from service.storage.database import Database

    async def whole() -> Result:
        database = Database(settings.database_url, busy_timeout_s=settings.busy_timeout_s, statement_timeout_s=3600)
        try:
            return await work(database)
        finally:
            await database.close()

    with clear_database_errors(settings.database_url):
        return asyncio.run(whole())


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end with exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def print_json(answer: object) -> None:
    """Print an answer for a script to read."""
    typer.echo(json.dumps(answer, indent=2))
