"""Which jobs are long: they must not hold every worker."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_slow_jobs"
down_revision = "2026_11_22_slots"


def upgrade() -> None:
    # with a default, so that processes of the version before go on writing while this is rolled out
    op.add_column("jobs", sa.Column("is_slow", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("jobs", "is_slow")
