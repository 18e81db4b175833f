"""Rows that a downgrade takes away."""

import sqlalchemy as sa
from alembic import op


def delete_tasks(condition: str) -> None:
    """Delete tasks and all that hangs under them, which SQLite does not do by itself while a schema changes."""
    op.execute(f"DELETE FROM tasks WHERE {condition}")
    inspector = sa.inspect(op.get_bind())
    for table in inspector.get_table_names():
        if any("task_id" in key["constrained_columns"] for key in inspector.get_foreign_keys(table)):
            op.execute(f"DELETE FROM {table} WHERE task_id NOT IN (SELECT id FROM tasks)")
