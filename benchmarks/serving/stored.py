"""The database alone: what a prediction reads and an adaptation writes, by the driver alone."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from service import codec
from service.ids import new_id

READ_TASKS, WRITE_TASKS = 16, 8  # of one read and of one commit: fixed, so that small batches are not rewarded
FRESH = (
    "SELECT tasks.id, tasks.version, versions.model_digest, tasks.prior FROM json_each(?) AS wanted "
    "JOIN tasks ON tasks.tenant = wanted.value ->> 0 AND tasks.id = wanted.value ->> 1 "
    "JOIN versions ON versions.task_id = tasks.id AND versions.number = tasks.version"
)
TABLES = ("tasks", "versions", "params", "examples", "memberships", "features")  # what an adaptation leaves, by parents

Row = tuple[Any, ...]


def reading(database: Path) -> Iterator[None]:
    """Each step is one request's part of a read: which versions are current."""
    with closing(_opened(database)) as connection:
        keys = connection.execute("SELECT tenant, id FROM tasks LIMIT ?", (READ_TASKS,)).fetchall()
        wanted = [json.dumps([[*key, 1] for key in keys])]
        while True:
            assert len(connection.execute(FRESH, wanted).fetchall()) == len(keys)
            yield from [None] * READ_TASKS


def writing(database: Path) -> Iterator[None]:
    """Each step is one request's part of a commit: rows as they are of a task that was adapted, to a copy of it all."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        with closing(_opened(copy)) as connection:
            rows = {table: _rows_of(connection, table) for table in TABLES}
            while True:
                _write(connection, rows)
                yield from [None] * WRITE_TASKS


def _opened(database: Path) -> sqlite3.Connection:
    """As durable as the service's."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _rows_of(connection: sqlite3.Connection, table: str) -> tuple[str, int, list[Row]]:
    """The statement that writes them, where the task stands in a row, and those of the first task."""
    (task,) = connection.execute("SELECT id FROM tasks ORDER BY id LIMIT 1").fetchone()
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    key = "id" if table == "tasks" else "task_id"
    marks = ", ".join("?" * len(columns))
    rows = connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (task,)).fetchall()
    return f"INSERT INTO {table} VALUES ({marks})", columns.index(key), rows


def _write(connection: sqlite3.Connection, rows: dict[str, tuple[str, int, list[Row]]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(WRITE_TASKS):
        name = new_id("task")
        for statement, place, own in rows.values():
            connection.executemany(statement, [(*row[:place], name, *row[place + 1 :]) for row in own])
    connection.execute("COMMIT")


def param_bytes(database: Path) -> int:
    """Of the arrays of one task."""
    with closing(sqlite3.connect(database)) as connection:
        (data,) = connection.execute("SELECT data FROM params LIMIT 1").fetchone()
    return sum(leaf.nbytes for leaf in codec.read_arrays(data).values())
