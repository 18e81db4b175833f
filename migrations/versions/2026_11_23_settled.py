"""Ends side by side: from here on only code that knows transfers can write versions.

What code from before them does to a task (forget, roll back, prune) would leave in the weights of others what is to be
forgotten. All of that makes a version, which it cannot any more.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_settled"
down_revision = "2026_11_23_outlook"

finishes = True  # run by `kshot migrate --finish`, see docs/operations.md


def upgrade() -> None:
    set_default(None)


def downgrade() -> None:
    set_default("0")


def set_default(default: str | None) -> None:
    with op.batch_alter_table("versions") as versions:
        versions.alter_column("generation", existing_type=sa.Integer(), existing_nullable=False, server_default=default)
