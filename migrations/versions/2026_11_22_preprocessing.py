"""What made the inputs of a version ready, to be compared when its model is gone."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_preprocessing"
down_revision = "2026_11_22_names"


def upgrade() -> None:
    # unknown of the versions that there are, and of those that processes of the version before still write
    op.add_column("versions", sa.Column("preprocessing", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("versions", "preprocessing")
