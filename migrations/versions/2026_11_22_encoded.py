"""What encoders made of examples, as it was when it was stored; of that from before nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_encoded"
down_revision = "2026_11_22_ended"


def upgrade() -> None:
    op.add_column("features", sa.Column("checksum", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("features", "checksum")
