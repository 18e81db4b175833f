"""SQLite asked straight: a statement that runs all the time is compiled once, and SQLAlchemy is not on its way."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

from sqlalchemy import Dialect, Select, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler

from service.metrics import Metrics
from service.storage.one_trip import Connection

Read: TypeAlias = Callable[[Any], Any]
Bind: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class _Compiled:
    """A statement as text, with the parameters that it always has, and what reads the columns that need it."""

    sql: str
    names: Sequence[str]
    constants: Mapping[str, Any]
    readers: Sequence[tuple[int, Read]]


class Straight:
    """One connection, opened when first asked and kept; statements wait for each other on its thread."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics | None) -> None:
        self._engine = engine
        self._seconds = None if metrics is None else metrics.statement_seconds.labels("select")
        self._opening = asyncio.Lock()
        self._connection: AsyncConnection | None = None
        self._driver: Connection | None = None
        self._compiled: dict[Select[*tuple[Any, ...]], _Compiled] = {}

    async def execute(self, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a statement with these values, which are bound as they are. Raises what SQLAlchemy raises.

        Statements are kept compiled: they must be few, and not made for one call.
        """
        compiled = self._compiled.get(statement) or self._compile(statement)
        given = {**compiled.constants, **values}
        parameters = [given[name] for name in compiled.names]
        driver = self._driver
        if driver is None or driver.is_gone:
            driver = await self._opened()
        began = perf_counter()
        try:
            with as_sqlalchemy(compiled.sql, self._engine.dialect):
                done = await driver.trip(lambda sqlite: sqlite.execute(compiled.sql, parameters))
        finally:
            if self._seconds is not None:
                self._seconds.observe(perf_counter() - began)
        return [_read(row, compiled.readers) for row in done.rows]

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            await connection.close()
        await self._engine.dispose()

    async def _opened(self) -> Connection:
        async with self._opening:
            if self._driver is None or self._driver.is_gone:
                if self._connection is not None:  # the pool has room for one
                    await self._connection.invalidate()
                self._connection = await self._engine.connect()
                found = (await self._connection.get_raw_connection()).driver_connection
                assert isinstance(found, Connection)
                self._driver = found
        return self._driver

    def _compile(self, statement: Select[*tuple[Any, ...]]) -> _Compiled:
        dialect = self._engine.dialect
        written = statement.compile(dialect=dialect)
        assert isinstance(written, SQLCompiler) and written.positiontup is not None
        readers = [
            (place, read)
            for place, column in enumerate(statement.selected_columns)
            if (read := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        made = _Compiled(written.string, written.positiontup, _constants(written, dialect), readers)
        self._compiled[statement] = made
        return made


@contextmanager
def as_sqlalchemy(sql: str, dialect: Dialect) -> Iterator[None]:
    """What goes wrong with a statement is raised as SQLAlchemy raises it."""
    try:
        yield
    except sqlite3.Error as error:
        raise exc.DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True, dialect=dialect) from error


def binders_of(written: SQLCompiler, dialect: Dialect) -> dict[str, Bind | None]:
    """What makes of a parameter what the driver takes, by its name; none where it takes it as it is."""
    return {
        name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
        for parameter, name in written.bind_names.items()
    }


def _constants(written: SQLCompiler, dialect: Dialect) -> dict[str, Any]:
    """The values that stand in the statement itself, as the driver takes them."""
    binders = binders_of(written, dialect)
    return {name: value if (bind := binders[name]) is None else bind(value) for name, value in written.params.items()}


def _read(row: Sequence[Any], readers: Sequence[tuple[int, Read]]) -> Sequence[Any]:
    stored = [(place, read) for place, read in readers if row[place] is not None]
    if not stored:
        return row
    columns = list(row)
    for place, read in stored:
        columns[place] = read(columns[place])
    return columns
