"""What made each version; examples found by their id, tasks by when they were last written."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_life"
down_revision = "2026_11_22_keys"


def upgrade() -> None:
    # with a default, so that processes of the version before go on writing while this is rolled out
    op.add_column("versions", sa.Column("origin", sa.Text(), server_default="adapt", nullable=False))
    op.create_index("ix_examples_example_id_task_id", "examples", ["example_id", "task_id"])
    op.create_index("ix_tasks_updated_at", "tasks", ["updated_at"])


def downgrade() -> None:
    op.drop_index("ix_tasks_updated_at", "tasks")
    op.drop_index("ix_examples_example_id_task_id", "examples")
    op.drop_column("versions", "origin")
