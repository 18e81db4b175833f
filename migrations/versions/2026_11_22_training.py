"""Tenants who let models be trained on their tasks; which tasks went into which model, and what was forgotten since."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_training"
down_revision = "2026_11_22_transfer"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("train_from_tasks", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenants"),
    )
    op.create_table(
        "trainings",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("model_digest", KEY, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "task_id", "model_digest", name="pk_trainings"),
    )


def downgrade() -> None:
    for table in ("trainings", "tenants"):
        op.drop_table(table)
