"""How large tasks are, for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_sizes"
down_revision = "2026_11_22_prior"


def upgrade() -> None:
    # none is measured here: nothing could be read or written meanwhile; see 2026_11_22_measured
    op.add_column("tasks", sa.Column("num_examples", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tasks", sa.Column("num_bytes", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("tasks", "num_bytes")
    op.drop_column("tasks", "num_examples")
