"""Bring a database to the newest schema; safe when several processes try at once.

`python -m service.storage.migrate check` compares the migrations with the tables, on a database of its own.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from service.storage.failures import translated


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the schema. It blocks: call it in a thread where an event loop runs."""
    with translated():
        command.upgrade(_config(url), revision)


def check(url: str) -> None:
    """Raise alembic's CommandError if a migrated database differs from the tables."""
    with translated():
        command.check(_config(url))


def head() -> str:
    """The revision that this code was written for."""
    revision = ScriptDirectory.from_config(_config(None)).get_current_head()
    if revision is None:
        raise RuntimeError("no migrations are installed")
    return revision


def old_revisions() -> frozenset[str | None]:
    """The revisions that this code has outgrown; None is a database before its first migration."""
    known = {script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    return frozenset({None} | known - {head()})


def _config(url: str | None) -> Config:
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
