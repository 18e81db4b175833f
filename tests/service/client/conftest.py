"""Both clients, and the real service on a real socket."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api.live import live
from tests.service.client.both import KINDS, Make, opened


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Make:
    return KINDS[request.param]


@pytest.fixture
def url(sqlite_url: str) -> Iterator[str]:
    models = ("curves", "glyphs", "vectors")
    settings = Settings(
        database_url=sqlite_url, threads=1, auth="off", only_models=models, max_inputs=8, job_examples=50
    )
    with live(create_app(settings)) as url:
        yield url


@pytest.fixture
async def kshot(url: str, make: Make) -> AsyncIterator[Any]:
    async with opened(make, url) as client:
        yield client
