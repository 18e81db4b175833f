"""Indexes on tables that have rows already: built while the service reads and writes them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

INVALID = sa.text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def create_index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    """Build it, unless it is there; first in its migration, as what was done before is committed.

    PostgreSQL would lock out every writer of the table while it is built in a transaction. One that was not finished
    stays behind, of no use to anybody, and is built anew. A SQLite file is served by nobody meanwhile.
    """
    condition = None if where is None else sa.text(where)
    options: dict[str, Any] = {"postgresql_where": condition, "sqlite_where": condition, "if_not_exists": True}
    connection = op.get_bind()
    has_rows = connection.execute(
        sa.select(sa.exists(sa.select(sa.literal(1)).select_from(sa.table(table))))
    ).scalar_one()
    if connection.dialect.name != "postgresql" or not has_rows:
        op.create_index(name, table, columns, **options)
        return
    with op.get_context().autocommit_block():
        # nobody else waits for what this waits for: transactions that began before it
        op.execute("SET lock_timeout = 0")
        if connection.execute(INVALID, {"name": name}).scalar_one_or_none():
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)
        op.execute("SET lock_timeout = '5s'")
