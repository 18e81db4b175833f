"""Names of labels among the examples, and examples of several labels."""

import sqlalchemy as sa
from alembic import op

from migrations.removing import delete_tasks

revision = "2026_11_22_names"
down_revision = "2026_11_22_jobs"


def upgrade() -> None:
    # with a default, so that processes of the version before go on writing while this is rolled out
    op.add_column("examples", sa.Column("role", sa.Text(), server_default="example", nullable=False))
    op.add_column("examples", sa.Column("labels", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    delete_tasks("kind = 'multilabel'")  # which the version before could not read
    op.drop_column("examples", "labels")
    op.drop_column("examples", "role")
