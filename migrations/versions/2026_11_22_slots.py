"""Slots of examples."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_slots"
down_revision = "2026_11_22_preprocessing"


def upgrade() -> None:
    op.add_column("examples", sa.Column("slots", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM tasks WHERE kind = 'frames'")  # which the version before could not read
    op.drop_column("examples", "slots")
