"""Rows into SQLite straight: an insert is compiled once, as SQLAlchemy's work for each would be more than SQLite's."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import Connection, Dialect, Insert
from sqlalchemy.sql.compiler import SQLCompiler

from service.storage.one_trip import Connection as Driver
from service.storage.straight import Bind, as_sqlalchemy, binders_of

Row: TypeAlias = Mapping[str, Any]

# rows of one statement: few steps, between which threads contend for Python; and of a few tables no more texts than the
# driver keeps prepared
AT_ONCE = 32


@dataclass(frozen=True)
class _Compiled:
    """An insert of a row as text, which ends with the row's places (they are apart too, for more rows).

    Its columns in their order, with what makes of some what the driver takes.
    """

    sql: str
    places: str
    columns: Sequence[tuple[str, Bind | None]]


class Rows:
    """The inserts of one database, each compiled when it is first asked for."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[tuple[Insert, tuple[str, ...]], _Compiled] = {}

    async def insert(self, connection: Connection, driver: Driver, statement: Insert, rows: Sequence[Row]) -> None:
        """Insert rows of the same columns. The driver's errors become SQLAlchemy's, whose listeners are told."""
        key = statement, tuple(rows[0])
        compiled = self._compiled.get(key) or self._compile(*key)
        bound = [*zip(*(_bound([row[name] for row in rows], bind) for name, bind in compiled.columns), strict=True)]
        told = (connection, None, compiled.sql, bound, None, True)
        connection.dispatch.before_cursor_execute(*told)
        try:
            with as_sqlalchemy(compiled.sql, self._dialect):
                await driver.trip(lambda sqlite: _written(sqlite, compiled, bound))
        finally:
            connection.dispatch.after_cursor_execute(*told)

    def _compile(self, statement: Insert, names: tuple[str, ...]) -> _Compiled:
        written = statement.compile(dialect=self._dialect, column_keys=list(names))
        assert isinstance(written, SQLCompiler) and written.positiontup is not None
        binders = binders_of(written, self._dialect)
        places = f"({', '.join('?' * len(written.positiontup))})"
        assert written.string.endswith(f" VALUES {places}"), written.string
        made = _Compiled(written.string, places, [(name, binders[name]) for name in written.positiontup])
        self._compiled[statement, names] = made
        return made


def _bound(values: Sequence[Any], bind: Bind | None) -> Sequence[Any]:
    """A column as the driver takes it; one value of all rows, as their moment is, is bound once."""
    if bind is None:
        return values
    first = values[0]
    return [bind(first)] * len(values) if all(value is first for value in values) else [*map(bind, values)]


def _written(sqlite: sqlite3.Connection, insert: _Compiled, rows: Sequence[tuple[Any, ...]]) -> sqlite3.Cursor:
    """A cursor that has inserted them."""
    cursor = sqlite.cursor()
    for part in (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)):
        cursor.execute(insert.sql + f", {insert.places}" * (len(part) - 1), [*chain.from_iterable(part)])
    return cursor
