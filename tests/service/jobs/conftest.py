"""Two services on one database: one that only accepts jobs, and one that does them as well."""

from collections.abc import AsyncIterator

import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.service.api.serving import client_of, input_dim
from tests.service.tasks.conftest import shared_url
from tests.service.tasks.life import Life

__all__ = ["shared_url"]


async def living(url: str, **settings: object) -> AsyncIterator[Life]:
    options = {"only_models": ("curves", "glyphs", "vectors"), "max_queued_jobs": 8, **settings}
    app = create_app(Settings(database_url=url, threads=1, auth="off", **options))  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Life(client, app.state.service, await input_dim(client))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def accepting(shared_url: str) -> AsyncIterator[Life]:
    """Its jobs wait until a test does them."""
    async for life in living(shared_url, job_workers=0, job_examples=20, job_lease_s=30):
        yield life


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def working(shared_url: str) -> AsyncIterator[Life]:
    """It does jobs at once."""
    async for life in living(shared_url, job_workers=2, job_lease_s=1):
        yield life
