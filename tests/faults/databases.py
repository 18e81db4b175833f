"""What is done to a database: each fault is a block, inside which it lasts."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Pool, create_engine, event

from tests.conftest import administer
from tests.faults.postgres import OWNER, Server, fill
from tests.faults.proxy import Proxy

SLOW_S = 2.0
Outcome: TypeAlias = Literal["works", "fails", "either"]


@dataclass(frozen=True)
class OnPostgres:
    """A database of the service's, as the fault finds it."""

    server: Server
    proxy: Proxy
    admin_url: str
    disk: Path | None  # that the data of it lies on, if that is small


@dataclass(frozen=True)
class OnSqlite:
    """A file."""

    path: Path
    disk: Path | None

    @property
    def admin_url(self) -> str:
        """Its address."""
        return f"sqlite+aiosqlite:///{self.path}"


Place: TypeAlias = OnPostgres | OnSqlite


@dataclass(frozen=True)
class Fault:
    """One way in which a database fails, and what of it goes on working meanwhile."""

    name: str
    block: Callable[[Place], AbstractAsyncContextManager[None]]
    reads: Outcome = "fails"
    writes: Outcome = "fails"
    needs_disk: bool = False
    least_s: float = 0.0  # that it lasts
    num_waits: int = 2  # for the database, one after another, that a request may have until it ends


@asynccontextmanager
async def stopped(place: Place) -> AsyncIterator[None]:
    """The server is killed and stays away."""
    assert isinstance(place, OnPostgres)
    await asyncio.to_thread(place.server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(place.server.start)


@asynccontextmanager
async def restarted(place: Place) -> AsyncIterator[None]:
    """The server is killed and started; what is asked then finds connections that are dead."""
    assert isinstance(place, OnPostgres)
    await asyncio.to_thread(place.server.stop)
    await asyncio.to_thread(place.server.start)
    yield


@asynccontextmanager
async def between(place: Place, begin: Callable[[Proxy], None]) -> AsyncIterator[None]:
    """What stands between the service and the server does something, until it is mended."""
    assert isinstance(place, OnPostgres)
    begin(place.proxy)
    try:
        yield
    finally:
        place.proxy.mend()


def refused(place: Place) -> AbstractAsyncContextManager[None]:
    """Every connection is cut, and each new one."""
    return between(place, Proxy.refuse)


def silent(place: Place) -> AbstractAsyncContextManager[None]:
    """Nothing comes back any more, and nobody says so."""
    return between(place, Proxy.hold)


def slow(place: Place) -> AbstractAsyncContextManager[None]:
    """Every answer of the server comes 2 s late."""
    return between(place, lambda proxy: proxy.slow_down(SLOW_S))


@asynccontextmanager
async def cut(place: Place) -> AsyncIterator[None]:
    """Every connection is cut again and again while statements are under way."""
    assert isinstance(place, OnPostgres)

    async def go_on() -> None:
        while True:
            place.proxy.cut()
            await asyncio.sleep(0.03)

    place.proxy.slow_down(0.01)
    cutting = asyncio.create_task(go_on())
    try:
        yield
    finally:
        cutting.cancel()
        place.proxy.mend()


@asynccontextmanager
async def taken(place: Place, statement: str) -> AsyncIterator[None]:
    """Another session holds what this statement takes, in a transaction that stays open."""
    assert isinstance(place, OnPostgres)
    engine = create_engine(place.admin_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
        yield
    engine.dispose()


def locked(place: Place) -> AbstractAsyncContextManager[None]:
    """Another session has the table of tasks to itself, as a careless migration would."""
    return taken(place, "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")


def row_locked(place: Place) -> AbstractAsyncContextManager[None]:
    """Another session holds every task, as a write that hangs would."""
    return taken(place, "SELECT 1 FROM tasks FOR UPDATE")


@asynccontextmanager
async def too_many(place: Place) -> AsyncIterator[None]:
    """The server has as many connections as it takes."""
    assert isinstance(place, OnPostgres)
    place.server.administer(f"ALTER ROLE {OWNER} CONNECTION LIMIT 0")
    administer(place.admin_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{OWNER}'")
    try:
        yield
    finally:
        place.server.administer(f"ALTER ROLE {OWNER} CONNECTION LIMIT -1")


@asynccontextmanager
async def full(place: Place) -> AsyncIterator[None]:
    """The disk is full to the last byte."""
    assert place.disk is not None
    filler = await asyncio.to_thread(fill, place.disk)
    try:
        yield
    finally:
        filler.unlink()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
connection.execute("UPDATE tasks SET revision = revision WHERE id = ''")
print("held", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def held(place: Place) -> AsyncIterator[None]:
    """Another process is writing and does not end."""
    assert isinstance(place, OnSqlite)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(place.path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    assert await process.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def read_only(place: Place) -> AsyncIterator[None]:
    """SQLite refuses to write, as it does where the file's disk has been remounted; its open files would not notice."""
    assert isinstance(place, OnSqlite)
    turned = []

    def turn(connection: Any, *_: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only")
        if not cursor.fetchone()[0]:
            cursor.execute("PRAGMA query_only = ON")
            turned.append(connection.driver_connection)
        cursor.close()

    event.listen(Pool, "checkout", turn)
    try:
        yield
    finally:
        event.remove(Pool, "checkout", turn)
        for each in turned:
            with suppress(ValueError):  # the service has closed it meanwhile
                await each.execute("PRAGMA query_only = OFF")


POSTGRES: Final = (
    Fault("stopped", stopped),
    Fault("restarted", restarted, "either", "either"),
    Fault("every connection cut and refused", refused),
    Fault("away for longer than a job's lease", refused, least_s=20.0),
    Fault("cut in the middle of statements", cut, "either", "either"),
    Fault("silent: nothing comes back", silent),
    Fault("slow by 2 s an answer", slow, "either", "either", num_waits=6),
    Fault("a table locked by another session", locked, "either", "fails"),
    Fault("every task locked by another session", row_locked, "works", "either"),
    Fault("as many connections as it takes", too_many),
    Fault("disk full", full, "works", "either", needs_disk=True),
)
SQLITE: Final = (
    Fault("locked by another process", held, "works", "fails"),
    Fault("turned read-only", read_only, "works", "fails"),
    Fault("disk full", full, "works", "either", needs_disk=True),
)
