"""Versions that learned from other tasks too: from which, and what they are without them."""

import sqlalchemy as sa
from alembic import op

from migrations.removing import delete_tasks

revision = "2026_11_22_transfer"
down_revision = "2026_11_22_sizes"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("versions", sa.Column("transferred_from", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "transfers",
        *version_columns(),
        sa.Column("source_id", KEY, nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=False),
        of_versions("transfers"),
        sa.ForeignKeyConstraint(["tenant", "source_id"], ["tasks.tenant", "tasks.id"], name="fk_transfers_tasks"),
        sa.PrimaryKeyConstraint("task_id", "number", "source_id", name="pk_transfers"),
    )
    op.create_index("ix_transfers_tenant_source_id", "transfers", ["tenant", "source_id"])
    op.create_table(
        "own_params",
        *version_columns(),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        of_versions("own_params"),
        sa.PrimaryKeyConstraint("task_id", "number", name="pk_own_params"),
    )


def version_columns() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
    ]


def of_versions(table: str) -> sa.ForeignKeyConstraint:
    columns = ["task_id", "number"]
    parents = [f"versions.{column}" for column in columns]
    return sa.ForeignKeyConstraint(columns, parents, name=f"fk_{table}_versions", ondelete="CASCADE")


def downgrade() -> None:
    # what was learned from others has no way to be forgotten in the version before
    op.execute("CREATE TEMPORARY TABLE learners AS SELECT DISTINCT task_id FROM transfers")
    op.execute("DELETE FROM transfers")  # which keep their sources, and a source may be a learner itself
    delete_tasks("id IN (SELECT task_id FROM learners)")
    op.execute("DROP TABLE learners")
    for table in ("own_params", "transfers"):
        op.drop_table(table)
    op.drop_column("versions", "transferred_from")
