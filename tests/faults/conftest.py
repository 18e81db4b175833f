"""One zygote for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.faults.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Forks services; what they write to their standard error is in its log."""
    with Zygote(tmp_path_factory.mktemp("zygote") / "log") as zygote:
        yield zygote
