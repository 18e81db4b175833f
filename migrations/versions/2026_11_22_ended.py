"""Where deployments were ended before there was more to add behind it; what it did is done by `2026_11_23_settled`.

Databases that stood here then have no default of `versions.generation` any more, so going back gives it to them too.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_ended"
down_revision = "2026_11_22_checksums"


def upgrade() -> None:
    pass


def downgrade() -> None:
    with op.batch_alter_table("versions") as versions:
        versions.alter_column("generation", existing_type=sa.Integer(), existing_nullable=False, server_default="0")
