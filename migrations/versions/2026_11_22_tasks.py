"""Tasks, their versions and params, their examples with features and memberships."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_tasks"
down_revision = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_versions()
    create_examples()


def create_versions() -> None:
    op.create_table(
        "tasks",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("model", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_tenant_name_id", "tasks", ["tenant", "name", "id"])
    op.create_index("ix_tasks_tenant_model_id", "tasks", ["tenant", "model", "id"])
    op.create_table(
        "versions",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_digest", KEY, nullable=False),
        sa.Column("output_dim", sa.Integer(), nullable=True),
        sa.Column("num_support", sa.Integer(), nullable=False),
        sa.Column("support_digest", sa.Text(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("libraries", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("labels", sa.JSON()),
        sa.ForeignKeyConstraint(
            ["tenant", "task_id"],
            ["tasks.tenant", "tasks.id"],
            name="fk_versions_tasks",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "number", name="pk_versions"),
    )
    op.create_table(
        "params",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id", "number"],
            ["versions.task_id", "versions.number"],
            name="fk_params_versions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "number", name="pk_params"),
    )


def create_examples() -> None:
    op.create_table(
        "examples",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("example_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("target", sa.JSON()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("input", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "task_id"],
            ["tasks.tenant", "tasks.id"],
            name="fk_examples_tasks",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "ordinal", name="pk_examples"),
    )
    op.create_table(
        "features",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_digest", KEY, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id", "ordinal"],
            ["examples.task_id", "examples.ordinal"],
            name="fk_features_examples",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "ordinal", "model_digest", name="pk_features"),
    )
    op.create_table(
        "memberships",
        sa.Column("tenant", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_version", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["task_id", "ordinal"],
            ["examples.task_id", "examples.ordinal"],
            name="fk_memberships_examples",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "ordinal", "since_version", name="pk_memberships"),
    )


def downgrade() -> None:
    for table in ("memberships", "features", "examples", "params", "versions", "tasks"):
        op.drop_table(table)
