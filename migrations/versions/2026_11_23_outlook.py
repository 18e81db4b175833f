"""What was told of a version when it was made: with its params, so that it goes with them, whoever erases them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_outlook"
down_revision = "2026_11_22_closed"


def upgrade() -> None:
    op.add_column("params", sa.Column("outlook", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("params", "outlook")
