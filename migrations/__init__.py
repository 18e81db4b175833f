"""Schema migrations; Alembic finds them beside the installed package."""
