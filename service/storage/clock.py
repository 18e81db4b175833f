"""The database's own clock: the one that every replica reads alike."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from service.storage.tables import UtcDateTime


class from_now(FunctionElement[datetime]):  # noqa: N801  a function of SQL, named like one
    """The moment so many seconds from now; `from_now(0.0)` is now, also inside a transaction that began earlier."""

    inherit_cache = True
    type = UtcDateTime()


@compiles(from_now, "sqlite")
def _sqlite(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)  # and as text, in the form that moments are stored in
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(from_now, "postgresql")
def _postgresql(element: from_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"clock_timestamp() + make_interval(secs => CAST({seconds} AS double precision))"
