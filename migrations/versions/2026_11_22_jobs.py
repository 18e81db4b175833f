"""Jobs, and what was asked and answered of them; answers that tell of no task yet."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_jobs"
down_revision = "2026_11_22_life"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_jobs()
    create_job_bodies()
    with op.batch_alter_table("answers") as answers:
        answers.alter_column("task_id", existing_type=KEY, nullable=True)


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("num_losses", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("num_done", sa.Integer(), nullable=False),
        sa.Column("num_total", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("match", sa.JSON()),
        sa.Column("problem", sa.JSON()),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_tenant_state_id", "jobs", ["tenant", "state", "id"])
    op.create_index("ix_jobs_state_turn_id", "jobs", ["state", "turn", "id"])
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])


def create_job_bodies() -> None:
    op.create_table(
        "job_bodies",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("task_id", KEY),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "job_id"], ["jobs.tenant", "jobs.id"], name="fk_job_bodies_jobs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "task_id"], ["tasks.tenant", "tasks.id"], name="fk_job_bodies_tasks", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant", "job_id", name="pk_job_bodies"),
    )
    op.create_index("ix_job_bodies_tenant_task_id", "job_bodies", ["tenant", "task_id"])


def downgrade() -> None:
    # those without a task cannot be kept; a request without its answer says that it has been answered
    op.execute("DELETE FROM answers WHERE task_id IS NULL")
    with op.batch_alter_table("answers") as answers:
        answers.alter_column("task_id", existing_type=KEY, nullable=False)
    for table in ("job_bodies", "jobs"):
        op.drop_table(table)
