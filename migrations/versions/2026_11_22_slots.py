"""Slots of examples."""

import sqlalchemy as sa
from alembic import op

from migrations.removing import delete_tasks

revision = "2026_11_22_slots"
down_revision = "2026_11_22_preprocessing"


def upgrade() -> None:
    op.add_column("examples", sa.Column("slots", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    delete_tasks("kind = 'frames'")  # which the version before could not read
    op.drop_column("examples", "slots")
