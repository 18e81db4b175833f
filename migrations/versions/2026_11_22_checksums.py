"""What the inputs of examples were when they were stored; of those from before nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_checksums"
down_revision = "2026_11_22_unmeasured"


def upgrade() -> None:
    op.add_column("examples", sa.Column("checksum", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("examples", "checksum")
