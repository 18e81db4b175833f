"""Tasks in an SQL database: tables, queries, connections, migrations."""
