"""One zygote for all tests of a process, and databases of either kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.places import Files, Place, Server
from tests.faults.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Forks services; what they write to their standard error is in its log."""
    with Zygote(tmp_path_factory.mktemp("zygote") / "log") as zygote:
        yield zygote


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where databases are made and copied."""
    return Files(tmp_path) if request.param == "sqlite" else Server(request.getfixturevalue("postgresql_server"))
