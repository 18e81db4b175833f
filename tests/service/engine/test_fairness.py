"""Between tenants, in virtual time: nobody waits for ever, shares are equal, and a flood does not hold up others."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.turns import MAX_UNDER_WAY, WEIGHTS, Batch, Fair, Lane, Turns
from tests.service.engine.simulation import SLICE, Device, Request, lane_of

lanes: st.SearchStrategy[Lane] = st.sampled_from(tuple(WEIGHTS))
interactive: st.SearchStrategy[Lane] = st.just("interactive")
short, long = st.floats(4, 2 * SLICE), st.floats(4, 60 * SLICE)
few = settings(max_examples=25, deadline=None)


@st.composite
def habits(draw: st.DrawFn) -> list[tuple[Lane, float]]:
    """What a tenant sends again and again."""
    sent = draw(st.lists(st.one_of(st.tuples(interactive, short), st.tuples(lanes, long)), min_size=1, max_size=6))
    return [(lane_of(cost) if lane == "interactive" else lane, cost) for lane, cost in sent]


def flood(device: Device, tenant: str, habits: list[tuple[Lane, float]], least: float = 10 * SLICE) -> None:
    """Let a tenant have so much and more of its requests waiting, at any time."""
    for lane, cost in habits:
        for _ in range(max(2, int(least / cost) + 1)):
            device.send(Request(tenant, lane, cost))


def again(request: Request) -> Iterable[Request]:
    """Whoever got an answer asks again."""
    return [Request(request.tenant, request.lane, request.cost)]


@few
@given(st.lists(st.builds(Request, st.sampled_from("abcdefgh"), lanes, long, st.floats(0, 500)), max_size=60))
def test_everything_ends_and_the_device_does_not_idle(requests: list[Request]) -> None:
    device = Device()
    for request in requests:
        device.send(request)
    device.run()
    assert all(request.ended is not None and request.took >= request.cost - 1e-6 for request in requests)
    busy = sum(device.spent.values())
    assert busy == pytest.approx(sum(request.cost for request in requests))
    assert device.now <= max((request.came for request in requests), default=0) + busy + 1e-6


@few
@given(habits(), habits())
def test_two_tenants_that_saturate_the_device_get_the_same_of_it(
    one: list[tuple[Lane, float]], two: list[tuple[Lane, float]]
) -> None:
    device = Device(again)
    flood(device, "one", one)
    flood(device, "two", two)
    device.run(until=500 * SLICE)
    assert min(device.spent.values()) / sum(device.spent.values()) >= 0.45


@few
@given(habits(), st.lists(st.tuples(lanes, short), min_size=1, max_size=12), st.floats(1, 400))
def test_a_flood_holds_up_a_quiet_tenant_by_three_slices(
    loud: list[tuple[Lane, float]], sent: list[tuple[Lane, float]], first: float
) -> None:
    device, quiet, came = Device(again_if_loud), [], first
    flood(device, "loud", loud)
    for lane, cost in sent:
        quiet.append(Request("quiet", lane, cost, came))
        device.send(quiet[-1])
        came += 20 * cost + 10 * SLICE  # a twentieth of the device
    device.run(until=came)
    for request in quiet:
        assert request.began is not None and request.began - request.came <= 2 * SLICE + 1e-6
        assert request.took <= request.cost + 3 * SLICE + 1e-6


@few
@given(habits(), st.floats(2 * SLICE, 60 * SLICE))
def test_what_is_long_takes_twice_as_long_beside_a_flood(loud: list[tuple[Lane, float]], cost: float) -> None:
    device, request = Device(again_if_loud), Request("quiet", "bulk", cost, 100.0)
    flood(device, "loud", loud)
    device.send(request)
    device.run(until=4 * cost + 1_000)
    assert request.took <= 2 * cost + 3 * SLICE + 1e-6


def again_if_loud(request: Request) -> Iterable[Request]:
    return again(request) if request.tenant == "loud" else []


@pytest.mark.parametrize("num_tenants", [3, 10])
def test_many_tenants_are_batched_together_and_share_alike(num_tenants: int) -> None:
    device = Device(again)
    for number in range(num_tenants):
        flood(device, str(number), [("interactive", 4.0 + number)])
    device.run(until=500 * SLICE)
    assert min(device.spent.values()) / sum(device.spent.values()) == pytest.approx(1 / num_tenants, rel=0.1)


def test_of_one_tenant_predictions_come_first_and_nothing_waits_for_ever() -> None:
    turns, spent = Turns(), dict.fromkeys(WEIGHTS, 0.0)
    for lane in WEIGHTS:
        turns.add(Batch(lane, {"one": 1.0}))
    for _ in range(1_000):
        chosen, _ = turns.next()
        turns.charge(chosen, SLICE)
        spent[chosen.lane] += SLICE
    assert [round(spent[lane] / sum(spent.values()), 1) for lane in spent] == [0.6, 0.3, 0.1]


def test_few_batches_of_a_lane_are_under_way() -> None:
    turns = Turns()
    batches = [Batch("bulk", {str(number): 1.0}) for number in range(MAX_UNDER_WAY + 2)]
    for batch in batches:
        turns.add(batch)
    begun = set()
    for _ in range(100):
        chosen, _ = turns.next()
        turns.charge(chosen, SLICE)
        begun.add(chosen)
    assert len(begun) == MAX_UNDER_WAY
    turns.remove(batches[0])
    for _ in range(10):
        chosen, is_first = turns.next()
        turns.charge(chosen, SLICE)
        assert is_first == (chosen not in begun)
        begun.add(chosen)
    assert len(begun) == MAX_UNDER_WAY + 1


def test_turns_that_were_not_used_are_not_saved_up() -> None:
    fair: Fair[str] = Fair()
    for _ in range(100):
        assert fair.first(["here"]) == "here"
        fair.charge("here", SLICE)
    order = []
    for _ in range(6):
        order.append(fair.first(["here", "back"]))
        fair.charge(order[-1], SLICE)
    assert order.count("back") in (3, 4)
