"""How often which label of a task is to be expected."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_prior"
down_revision = "2026_11_22_slow_jobs"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("prior", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "prior")
