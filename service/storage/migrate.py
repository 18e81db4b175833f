"""Bring a database to the newest schema; safe when several processes try at once.

Alembic is imported where there is something to do: a service that starts on a database as it should be need not wait.

`python -m service.storage.migrate check` compares the migrations with the tables, on a database of its own.
"""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, exc

import migrations
from migrations.chain import chain
from service.storage.engines import REVISION, database_url
from service.storage.failures import is_no_table, translated

if TYPE_CHECKING:
    from alembic.config import Config

SYNCHRONOUS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
TRANSFERS_KNOWN = "2026_11_23_settled"  # to all code that can write from there on
# where nobody is whom finishing would stop: new databases, and those ended when these were the last revisions; what is
# killed on its way stands before an index, never there
ENDED = {None, "2026_11_22_finish", "2026_11_22_ended", "2026_11_22_closed"}


def upgrade(url: str, revision: str | None = None, *, finish: bool = False) -> None:
    """Upgrade the schema as far as processes of the release before can live with; `finish` takes what they cannot.

    A database that is new, or was ended before, has no such processes. It blocks: call it in a thread where an event
    loop runs.
    """
    with translated():
        found = revision_of(url)
        if revision is None:
            revision = head() if finish or found in ENDED else expanded()
        # nothing is due at this revision or a later one; of one that is not known alembic says so
        if found not in {each.name for each in chain()} - before(revision):
            from alembic import command

            command.upgrade(_config(url), revision)


def check(url: str) -> None:
    """Raise alembic's CommandError if a migrated database differs from the tables."""
    from alembic import command

    with translated():
        command.check(_config(url))


def head() -> str:
    """The revision that this code was written for."""
    return chain()[0].name


def expanded() -> str:
    """The newest revision that code of the release before can work with too: what finishes stands behind all else.

    So what is added later gets a new finishing revision behind it, and the one before finishes nothing any more: a
    database that stands at it must still be given what was added.
    """
    return next(each.name for each in chain() if not each.finishes)


def old_revisions() -> frozenset[str | None]:
    """The revisions that this code has outgrown; None is a database before its first migration."""
    return before(expanded())


def before_transfers() -> frozenset[str | None]:
    """The revisions at which processes may be at work that know neither transfers nor priors."""
    return before(TRANSFERS_KNOWN)


def before(revision: str) -> frozenset[str | None]:
    """The revisions that come before this one; a revision that this code does not know is a later one."""
    names = [each.name for each in chain()]
    return frozenset({None, *names[names.index(revision) + 1 :]})


def revision_of(url: str) -> str | None:
    """The revision of a database, none before its first migration."""
    engine = create_engine(database_url(url).set(drivername=SYNCHRONOUS[database_url(url).get_backend_name()]))
    try:
        with engine.connect() as connection:
            return connection.execute(REVISION).scalar_one_or_none()
    except exc.DBAPIError as error:
        if is_no_table(error):
            return None
        raise
    finally:
        engine.dispose()


def _config(url: str | None) -> "Config":
    from alembic.config import Config

    # found beside the installed package, whatever the working directory; a % would be taken for interpolation
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def main(arguments: list[str]) -> None:
    """Check on a database of its own; nothing else is on offer here, upgrading is `kshot migrate`."""
    if arguments != ["check"]:
        sys.exit("usage: python -m service.storage.migrate check")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/check.db"
        upgrade(url)
        check(url)


if __name__ == "__main__":
    main(sys.argv[1:])
