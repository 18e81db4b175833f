"""Replicas replaced under load, a few times; `make faults` does it many times."""

import asyncio
import signal

import pytest

from tests.faults.replicas import replace
from tests.faults.zygote import Zygote


# what a killed process leaves open is closed when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_clients_see_no_error_and_what_they_wrote(zygote: Zygote, postgresql_url: str, number: signal.Signals) -> None:
    load = asyncio.run(replace(zygote, postgresql_url, 1, number))
    assert load.done["predict"]
