"""How many are let in: as many as are answered in the time that one may wait, and each tenant its part."""

from math import ceil

import pytest

from service.api.crowd import LEAST, NUM_WINDOWS, WINDOW_S, Crowd


def answer(crowd: Crowd, rate_per_s: float, seconds: float, *, now: float = 0.0, inside: int = 100) -> float:
    """As many are always inside, and one after another is answered at this rate; the time after that."""
    while crowd.num_inside < inside:
        crowd.enter("a")
    for _ in range(round(rate_per_s * seconds)):
        now += 1 / rate_per_s
        crowd.leave("a", now)
        crowd.enter("a")
    return now


def test_before_anything_was_measured_as_many_come_in_as_there_may_ever_be() -> None:
    crowd = Crowd(max_wait_s=0.25, most=40)
    for _ in range(40):
        assert crowd.has_room("a")
        crowd.enter("a")
    assert not crowd.has_room("a")


@pytest.mark.parametrize("rate", [200.0, 1000.0, 3000.0])
def test_the_limit_is_what_is_answered_in_the_time_that_one_may_wait(rate: float) -> None:
    crowd = Crowd(max_wait_s=0.25, most=500)
    now = answer(crowd, rate, 4 * WINDOW_S)
    assert crowd.limit == pytest.approx(min(500, 0.25 * rate), rel=0.05)
    answer(crowd, rate / 4, (NUM_WINDOWS + 2) * WINDOW_S, now=now)
    assert crowd.limit == pytest.approx(max(LEAST, 0.25 * rate / 4), rel=0.05)


def test_answers_to_few_say_nothing_of_what_could_be_answered() -> None:
    crowd = Crowd(max_wait_s=0.25, most=500)
    now = answer(crowd, 10.0, 5.0, inside=LEAST - 2)
    assert crowd.rate_per_s is None and crowd.limit == 500
    now = answer(crowd, 1000.0, 4 * WINDOW_S, now=now)
    while crowd.num_inside >= LEAST - 2:
        crowd.leave("a", now)
    answer(crowd, 10.0, 20 * NUM_WINDOWS * WINDOW_S, now=now + 1, inside=LEAST - 2)
    assert crowd.limit == pytest.approx(250, rel=0.05)


def test_to_be_held_up_now_and_then_changes_nothing() -> None:
    crowd, now = Crowd(max_wait_s=0.25, most=500), 0.0
    for _ in range(30):
        now = answer(crowd, 1000.0, 1.5 * WINDOW_S, now=now + 0.3)
    assert crowd.limit == pytest.approx(250, rel=0.05)


def test_a_full_room_still_takes_who_has_less_than_an_equal_part() -> None:
    crowd = Crowd(max_wait_s=1.0, most=20)
    while crowd.has_room("loud"):
        crowd.enter("loud")
    assert crowd.num_inside == 20
    num_quiet = 0
    while crowd.has_room("quiet"):
        crowd.enter("quiet")
        num_quiet += 1
    assert num_quiet == 10 and not crowd.has_room("loud")
    assert crowd.has_room("third")
    for _ in range(num_quiet):
        crowd.leave("quiet", 0.0)
    assert crowd.num_inside == 20 and not crowd.has_room("loud") and crowd.has_room("quiet")


def test_whose_requests_are_smaller_has_more_of_them_inside() -> None:
    crowd = Crowd(max_wait_s=1.0, most=16)
    while crowd.has_room("large"):
        crowd.enter("large", 400)
    for _ in range(8):
        crowd.leave("large", 0.0, 400)
    while crowd.has_room("small"):
        crowd.enter("small", 100)
    assert crowd.num_inside == 8 + 16 and not crowd.has_room("large") and not crowd.has_room("small")


def test_many_whose_requests_are_small_do_not_fill_the_room_without_end() -> None:
    crowd = Crowd(max_wait_s=1.0, most=16)
    while crowd.has_room("large"):
        crowd.enter("large", 64_000)
    for tenant in map(str, range(40)):
        while crowd.has_room(tenant):
            crowd.enter(tenant, 16)
    by_requests = sum(ceil(16 / num_tenants) for num_tenants in range(2, 42))  # an equal part of each
    assert crowd.num_inside <= 2 * 16 + by_requests


@pytest.mark.parametrize("rate", [None, 400.0])
def test_what_was_not_done_is_no_measure_of_what_can_be(rate: float | None) -> None:
    crowd = Crowd(max_wait_s=0.25, most=1000)
    began = answer(crowd, rate, 4.0) if rate else 0.0
    before = crowd.limit
    for _ in range(20):
        crowd.enter("a")
    for number in range(4000):  # in four seconds, all without a key
        crowd.enter("a")
        crowd.leave("a", began + number / 1000, is_done=False)
    assert crowd.limit == before
