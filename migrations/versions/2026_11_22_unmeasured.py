"""An index of the tasks whose sizes are to be measured: of all, at first."""

from alembic import op

from migrations.indexing import create_index

revision = "2026_11_22_unmeasured"
down_revision = "2026_11_22_measured"


def upgrade() -> None:
    create_index("ix_tasks_unmeasured", "tasks", ["tenant", "id"], "measured_revision <> revision")


def downgrade() -> None:
    op.drop_index("ix_tasks_unmeasured", "tasks")
