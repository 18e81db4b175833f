"""What is told of how long the database takes."""

import pytest
from sqlalchemy import text

from service.errors import DatabaseUnavailable
from service.metrics import Metrics
from service.storage.database import Database


async def test_a_statement_that_fails_took_its_time_too(database_url: str) -> None:
    metrics = Metrics()
    database = Database(database_url, metrics=metrics)
    with pytest.raises(DatabaseUnavailable):
        async with database.read() as session:
            await session.execute(text("SELECT 1 FROM no_such_table"))
    await database.close()
    selects = {"statement": "select"}
    assert metrics.registry.get_sample_value("kshot_database_statement_seconds_count", selects) == 1
