"""Many tasks, soon: copies of stored ones, made in the database; of their examples nothing is copied."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from service.ids import new_id

TABLES = {"tasks": "id", "versions": "task_id", "params": "task_id"}  # and the column that names the task
BUSY_S = 60.0
A_COMMIT = 5_000  # tasks


def copied(database: Path, tasks: Sequence[str], num_copies: int) -> list[str]:
    """The ids of so many new tasks, each like one of these."""
    ids = [new_id("task") for _ in range(num_copies)]
    with closing(sqlite3.connect(database, timeout=BUSY_S)) as connection:
        connection.execute("CREATE TEMP TABLE copies (old TEXT, new TEXT)")
        for first in range(0, num_copies, A_COMMIT):
            some = ids[first : first + A_COMMIT]
            with connection:
                connection.execute("DELETE FROM copies")
                pairs = [(tasks[number % len(tasks)], new) for number, new in enumerate(some)]
                connection.executemany("INSERT INTO copies VALUES (?, ?)", pairs)
                for table, key in TABLES.items():
                    _copy(connection, table, key)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return ids


def _copy(connection: sqlite3.Connection, table: str, key: str) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    taken = ", ".join("copies.new" if each == key else f"{table}.{each}" for each in columns)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM copies "
        f"JOIN {table} ON {table}.{key} = copies.old"
    )
