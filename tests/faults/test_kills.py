"""A few kills on each database; `make faults` has hundreds."""

import pytest

from tests.faults.kills import Clock, campaign, report
from tests.faults.places import Place
from tests.faults.zygote import Zygote

NUM_KILLS = 3


@pytest.mark.slow
def test_what_was_answered_is_there_and_nothing_is_half(zygote: Zygote, place: Place) -> None:
    assert f"{place.name}, {NUM_KILLS} kills: " in report([campaign(place, 1, zygote, NUM_KILLS, Clock())], "pytest")
