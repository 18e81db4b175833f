"""A running service on each database, shared by the tests of a module."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copy

import pytest
import pytest_asyncio

from service.app import create_app
from service.settings import Settings
from tests.conftest import NUMBERS, administer, on_server
from tests.service.api.serving import client_of, input_dim
from tests.service.tasks.life import Life

LIMITS = {"max_ways": 4, "max_examples": 14, "max_inputs": 12, "max_versions": 4}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh migrated database for a whole module."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        yield f"sqlite+aiosqlite:///{copy(template, tmp_path_factory.mktemp('life') / 'kshot.db')}"
        return
    server: str = request.getfixturevalue("postgresql_server")
    name = f"life_{next(NUMBERS)}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgresql_template')}")
    yield on_server(server, name)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(shared_url: str) -> AsyncIterator[Life]:
    """The service with small limits and a quick sweep."""
    options = {"only_models": ("curves", "glyphs", "glyphs-maml", "vectors"), "sweep_interval_s": 0.1, **LIMITS}
    settings = Settings(database_url=shared_url, threads=1, auth="off", **options)  # type: ignore[arg-type]
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield Life(client, app.state.service, await input_dim(client))
