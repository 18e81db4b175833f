"""Where deployments were ended before there was more to add behind it; what it did is done by `2026_11_22_closed`."""

revision = "2026_11_22_ended"
down_revision = "2026_11_22_checksums"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
