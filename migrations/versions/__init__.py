"""One file a migration, named by day and subject."""
