"""A few kills on each database; `make faults` has hundreds."""

from pathlib import Path

import pytest

from tests.faults.kills import Campaign, report
from tests.faults.places import Files, Place, Server
from tests.faults.zygote import Zygote

NUM_KILLS = 3


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where databases are made and copied."""
    return Files(tmp_path) if request.param == "sqlite" else Server(request.getfixturevalue("postgresql_server"))


@pytest.mark.slow
def test_what_was_answered_is_there_and_nothing_is_half(zygote: Zygote, place: Place) -> None:
    campaign = Campaign(place, zygote, NUM_KILLS, seed=1)
    assert f"{place.name}, {NUM_KILLS} kills: " in report([campaign], "pytest")
