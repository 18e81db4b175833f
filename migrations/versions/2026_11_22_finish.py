"""Where deployments were ended before there was anything to add behind it; what it did is done by `2026_11_23_settled`.

Only databases stand here that were ended: some have the checksums that come next, some have not.
"""

revision = "2026_11_22_finish"
down_revision = "2026_11_22_unmeasured"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
