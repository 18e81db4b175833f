"""What lies in the database and cannot be read: told as damage of its task, and kept apart from what can be."""

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from pydantic_core import to_json
from sqlalchemy import JSON, Dialect, Row, Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator

from service.errors import TaskDamaged
from service.storage.failures import translated


class StoredJson(TypeDecorator[Any]):
    """A column of JSON, of these kinds. Reading anything else of it raises TaskDamaged; nothing is stored as NULL."""

    impl = JSON
    cache_ok = True

    def __init__(self, what: str, *kinds: type) -> None:
        super().__init__(none_as_null=True)
        self.what = what
        self.kinds = kinds

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> Any:
        """What stands beside the column, such as the name of a field, is what it is beside any JSON."""
        return self.impl_instance.coerce_compared_value(op, value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """That of the database, which takes only what was stored."""
        read = super().result_processor(dialect, coltype)

        def process(stored: Any) -> Any:
            try:
                value = stored if read is None else read(stored)
                to_json(value)  # fails for half a pair of surrogates, which could be told to nobody
            except (ValueError, TypeError):
                raise self._damaged() from None
            if value is not None and not isinstance(value, self.kinds):
                raise self._damaged()
            return value

        return process

    def _damaged(self) -> TaskDamaged:
        return TaskDamaged(f"What is stored of the task's {self.what} cannot be read.")


class SpareJson(StoredJson):
    """Such a column that a task can do without: what cannot be read of it is nothing."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """That of the database, or nothing."""
        read = super().result_processor(dialect, coltype)

        def process(stored: Any) -> Any:
            try:
                return read(stored)
            except TaskDamaged:
                return None

        return process


async def read_apart(
    session: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[str] | InstrumentedAttribute[int],
    values: Mapping[str, Any] | None = None,
) -> tuple[list[Row[Any]], list[Any]]:
    """The rows that can be read, and the keys of those that cannot: if there are any, each row is read alone."""
    try:
        with translated():
            return list((await session.execute(statement, values)).all()), []
    except TaskDamaged:
        with translated():
            keys = (await session.scalars(statement.with_only_columns(key, maintain_column_froms=True), values)).all()
    rows: list[Row[Any]] = []
    damaged: list[Any] = []
    for each in keys:
        try:
            with translated():
                rows += (await session.execute(statement.where(key == each), values)).all()
        except TaskDamaged:
            damaged.append(each)
    return rows, damaged


def is_as_stored(data: bytes, checksum: int | None) -> bool:
    """Whether bytes are those whose CRC-32 was stored with them; of what is older than checksums nobody knows."""
    return checksum is None or checksum == crc32(data)


def damaged_example(example_id: str) -> TaskDamaged:
    """The error that says which; to forget it is a way out."""
    return TaskDamaged(f"The example {example_id!r} is not stored whole; forget it.")
