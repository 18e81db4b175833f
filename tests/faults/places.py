"""Databases of either kind, copied whole: SQLite files in a folder, or databases on a server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from tests.conftest import administer, on_server, running_postgresql

ALEMBIC = Lock()  # a process migrates one database at a time


class Files:
    """SQLite."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        """Where a database is, or will be."""
        return f"sqlite+aiosqlite:///{self._folder}/{name}.db"

    def create(self, name: str) -> str:
        """An empty one."""
        return self.url(name)

    def copy(self, source: str, name: str) -> str:
        """One like another that nobody has open."""
        for suffix in ("", "-wal", "-shm"):
            (self._folder / f"{name}.db{suffix}").unlink(missing_ok=True)
            if (found := self._folder / f"{source}.db{suffix}").exists():
                shutil.copy(found, self._folder / f"{name}.db{suffix}")
        return self.url(name)


class Server:
    """PostgreSQL."""

    name = "PostgreSQL"

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, name: str) -> str:
        """Where a database is, or will be."""
        return on_server(self._url, name)

    def create(self, name: str) -> str:
        """An empty one."""
        administer(self._url, f"CREATE DATABASE {name}")
        return self.url(name)

    def copy(self, source: str, name: str) -> str:
        """One like another that nobody has open."""
        administer(self._url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        administer(self._url, f"CREATE DATABASE {name} TEMPLATE {source}")
        return self.url(name)


Place: TypeAlias = Files | Server


@contextmanager
def every_place(folder: Path) -> Iterator[list[Place]]:
    """Both kinds, PostgreSQL on a server of its own, as it is shipped."""
    with running_postgresql() as url:
        yield [Files(folder), Server(url)]
