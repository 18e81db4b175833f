"""API keys; requests that take effect once, and what was answered to them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_keys"
down_revision = "2026_11_22_tasks"

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_api_keys()
    create_requests()


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", KEY, nullable=False),
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.Column("name", sa.Text()),
        sa.PrimaryKeyConstraint("prefix", name="pk_api_keys"),
    )


def create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_requests"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])
    op.create_table(
        "answers",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "key"],
            ["requests.tenant", "requests.key"],
            name="fk_answers_requests",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "task_id"],
            ["tasks.tenant", "tasks.id"],
            name="fk_answers_tasks",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_answers"),
    )
    op.create_index("ix_answers_tenant_task_id", "answers", ["tenant", "task_id"])


def downgrade() -> None:
    for table in ("answers", "requests", "api_keys"):
        op.drop_table(table)
