"""How large tasks are, for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_sizes"
down_revision = "2026_11_22_prior"

SIZES = """
UPDATE tasks SET
num_examples = (SELECT COUNT(*) FROM examples WHERE examples.task_id = tasks.id),
num_bytes = (SELECT COALESCE(SUM(LENGTH(input)), 0) FROM examples WHERE examples.task_id = tasks.id)
+ (SELECT COALESCE(SUM(LENGTH(data)), 0) FROM features WHERE features.task_id = tasks.id)
+ (SELECT COALESCE(SUM(LENGTH(data)), 0) FROM params WHERE params.task_id = tasks.id)
"""


def upgrade() -> None:
    op.add_column("tasks", sa.Column("num_examples", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("num_bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(SIZES)


def downgrade() -> None:
    op.drop_column("tasks", "num_bytes")
    op.drop_column("tasks", "num_examples")
