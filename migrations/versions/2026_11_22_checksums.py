"""What the inputs of examples were when they were stored; of those from before nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_checksums"
down_revision = "2026_11_22_finish"


def upgrade() -> None:
    # databases that were ended with it stood at `finish`, which is before it now
    if "checksum" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("examples")}:
        op.add_column("examples", sa.Column("checksum", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("examples", "checksum")
