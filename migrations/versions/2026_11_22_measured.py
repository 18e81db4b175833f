"""When sizes of tasks were measured, and which code wrote a version."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_measured"
down_revision = "2026_11_22_training"


def upgrade() -> None:
    # no task is at revision 0: all are measured again, a few at a time, while the service runs
    op.add_column("tasks", sa.Column("measured_revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("versions", sa.Column("generation", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("versions", "generation")
    op.drop_column("tasks", "measured_revision")
