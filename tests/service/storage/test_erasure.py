"""Forgotten is gone from the files too, after the vacuum step of docs/operations.md."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from random import Random

from sqlalchemy import create_engine, make_url

from service.forecasts import Outlook, Suspect
from service.storage import changes, claims, jobs, queries
from service.storage.database import Database
from service.storage.jobs import NewJob
from service.storage.records import NewTask, Source
from tests.conftest import administer
from tests.service.storage.samples import NOW, new_examples, new_task, new_version, storing

PIECE = 64  # bytes that surely lie together, whatever the pages of the database cut apart
SIZE = 9_000  # of a value: over several pages


def secret(seed: int) -> bytes:
    """Bytes that no database can compress, and that are nowhere else."""
    return Random(seed).randbytes(SIZE)


def named(seed: int) -> str:
    """An id of such bytes."""
    return secret(seed).hex()[:PIECE]


def lies_in(files: list[Path], name: str) -> bool:
    """Whether a name is found in the files."""
    return any(name.encode() in path.read_bytes() for path in files)


def traces(files: list[Path], value: bytes) -> int:
    """How many pieces of a value are found in the files."""
    contents = [path.read_bytes() for path in files]
    pieces = [value[start : start + PIECE] for start in range(0, SIZE - PIECE, PIECE)]
    return sum(any(piece in content for content in contents) for piece in pieces)


def vacuumed(url: str) -> list[Path]:
    """The files that hold the tables, after the step that the operator is told to take."""
    if url.startswith("sqlite"):
        path = make_url(url).database or ""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return [each for each in (Path(path), Path(f"{path}-wal")) if each.exists()]
    administer(url, "VACUUM FULL")
    return relation_files(url)


def files_of(url: str) -> list[Path]:
    """The same files as they are, written out."""
    if url.startswith("sqlite"):
        path = make_url(url).database
        return [each for each in (Path(f"{path}"), Path(f"{path}-wal")) if each.exists()]
    return relation_files(url)


def relation_files(url: str) -> list[Path]:
    """All of one PostgreSQL database: tables, their overflow and their indexes."""
    administer(url, "CHECKPOINT")
    engine = create_engine(url)
    with engine.connect() as connection:
        root = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
        folder = root / connection.exec_driver_sql("SELECT pg_relation_filepath('examples')").scalar_one()
    engine.dispose()
    return [path for path in folder.parent.iterdir() if path.name[0].isdigit()]


async def store_two(database: Database) -> NewTask:
    """A task of two examples that learned from another; the second secret is of the first example, and so on."""
    task = new_task()
    kept, forgotten = new_examples(2)
    kept = replace(kept, input=secret(1), features=secret(2))
    forgotten = replace(forgotten, input=secret(3), features=secret(4))
    other = new_task()
    await database.write(storing(other))
    suspect = Suspect(id=named(7), index=1, label="cat", instead="dog", probability=0.9)
    version = replace(new_version(params=secret(5)), sources=[Source(other.id, 1, 2)], own_params=secret(6))
    version = replace(version, outlook=Outlook(expected=None, suspects=[suspect]))
    await database.write(lambda session: queries.insert_task(session, task, version, [kept, forgotten], NOW))
    return task


async def test_bytes_of_the_forgotten_are_in_no_file(database: Database, database_url: str) -> None:
    task = await store_two(database)
    before = files_of(database_url)
    assert all(traces(before, secret(seed)) > 100 for seed in range(1, 7)) and lies_in(before, named(7))
    await database.write(lambda session: changes.forget_example(session, task.tenant, task.id, "e1"))
    files = vacuumed(database_url)
    assert all(traces(files, secret(seed)) > 100 for seed in (1, 2))
    assert [traces(files, secret(seed)) for seed in (3, 4, 5, 6)] == [0, 0, 0, 0] and not lies_in(files, named(7))


async def test_bytes_of_a_deleted_task_are_in_no_file(database: Database, database_url: str) -> None:
    task = await store_two(database)
    await database.write(lambda session: queries.delete_task(session, task.tenant, task.id))
    files = vacuumed(database_url)
    assert [traces(files, secret(seed)) for seed in range(1, 7)] == [0] * 6 and not lies_in(files, named(7))


async def test_bytes_of_what_a_job_was_asked_are_in_no_file(database: Database, database_url: str) -> None:
    ended, cancelled, waiting = (NewJob("default", f"job_{n}", "adapt", "task", 1, None, secret(n)) for n in (1, 2, 3))
    for job in (ended, cancelled, waiting):
        await database.write(lambda session: jobs.insert_job(session, job, NOW))  # noqa: B023
    claimed = await database.write(lambda session: claims.claim_job(session, ["adapt"], 30.0, NOW))
    assert claimed is not None and claimed.payload == secret(1)
    assert await database.write(lambda session: claims.end_job(session, "default", "job_1", 1, NOW, problem={}))
    assert await database.write(lambda session: jobs.cancel_job(session, "default", "job_2", NOW))
    files = vacuumed(database_url)
    assert [traces(files, secret(seed)) for seed in (1, 2)] == [0, 0] and traces(files, secret(3)) > 100
