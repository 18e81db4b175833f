"""What each replica clears away as it runs: memory of what was forgotten or deleted, and tasks past their time."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from service.engine.engine import Engine
from service.metrics import Metrics
from service.storage import history, transfers, usage
from service.storage.database import Database

MAX_LOOKED_UP = 1_000  # cached tasks in one statement
MAX_EXPIRED = 100  # tasks deleted in one transaction
MAX_MEASURED = 100  # tasks measured in one transaction


async def sweep_cache(database: Database, engine: Engine, metrics: Metrics) -> None:
    """Drop the cached params of tasks that are gone or at another version: what they knew may have to be forgotten.

    Of texts nobody knows whose they were, so that the features of all go.
    """
    engine.forget_texts()
    cached = iter(engine.cached_versions().items())
    while batch := dict(islice(cached, MAX_LOOKED_UP)):
        async with database.read() as session:
            current = await history.current_versions(session, list(batch))
        for key, version in batch.items():
            if current.get(key) != version:
                engine.drop(key, version)
                metrics.cache_swept.inc()


async def expire_tasks(database: Database, ttl: timedelta, metrics: Metrics) -> None:
    """Delete the tasks that nothing was written to for `ttl`; replicas may do so at once."""
    before = datetime.now(UTC) - ttl
    num_deleted = MAX_EXPIRED
    while num_deleted == MAX_EXPIRED:
        num_deleted = await database.write(lambda session: transfers.delete_expired(session, before, MAX_EXPIRED))
        metrics.expired_tasks.inc(num_deleted)


async def measure_tasks(database: Database) -> None:
    """Measure the tasks that code of before quotas has written; replicas may do so at once."""
    num_measured = MAX_MEASURED
    while num_measured == MAX_MEASURED:
        num_measured = await database.write(lambda session: usage.measure_stale(session, MAX_MEASURED))
