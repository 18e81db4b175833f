"""Laws of the pure scheduler, over any order of arrival."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.scheduler import Job, Scheduler
from service.errors import Overloaded

SIZES = {"max_batch_rows": 64, "max_batch_cost": 40.0, "max_mixed_cost": 40.0, "max_waiting_cost": 1e9, "quantum": 20.0}


def scheduler(**changes: float) -> Scheduler[int]:
    return Scheduler(**{**SIZES, **changes})  # type: ignore[arg-type]


numbers = count()
jobs = st.builds(
    Job[int],
    tenant=st.sampled_from("abc"),
    group=st.sampled_from(["predict", "adapt"]),
    rows=st.integers(1, 100),
    cost=st.floats(0.01, 100),
    deadline=st.just(0.0),
    payload=st.builds(lambda: next(numbers)),
)
arrivals = st.lists(st.one_of(jobs, st.none()), max_size=60)  # None: a batch is taken


@given(arrivals)
def test_every_job_runs_once_and_within_the_budget(arrivals: list[Job[int] | None]) -> None:
    waiting = scheduler()
    batches: list[list[Job[int]]] = []
    for arrival in [*arrivals, *[None] * len(arrivals)]:
        if arrival is not None:
            waiting.add(arrival)
        elif batch := waiting.next_batch():
            batches.append(batch)
    assert not waiting
    assert waiting.waiting_cost == 0
    ran = [job.payload for batch in batches for job in batch]
    assert sorted(ran) == sorted(job.payload for job in arrivals if job is not None)
    for batch in batches:
        assert len({job.group for job in batch}) == 1
        if len(batch) > 1:
            assert len(batch) * max(job.rows for job in batch) <= SIZES["max_batch_rows"]
            assert sum(job.cost for job in batch) <= SIZES["max_batch_cost"]


def test_a_batch_of_several_tenants_is_shorter_than_one_of_one() -> None:
    def costs(*tenants: str) -> list[float]:
        waiting = scheduler(max_mixed_cost=20.0)
        for number in range(20):
            waiting.add(Job(tenants[number % len(tenants)], "adapt", 1, 5.0, 0.0, number))
        taken = []
        while batch := waiting.next_batch():
            taken.append(sum(job.cost for job in batch))
        return taken

    assert costs("a") == [40.0, 40.0, 20.0]
    assert costs("a", "b") == [20.0] * 5


def test_a_batch_can_be_made_without_some_tenants() -> None:
    waiting = scheduler()
    for tenant in "aabbcc":
        waiting.add(Job(tenant, "adapt", 1, 5.0, 0.0, 0))
    assert waiting.next_batch(without="abc") == []
    assert [job.tenant for job in waiting.next_batch(without="ab")] == ["c", "c"]
    assert waiting.has("a") and waiting.has("b") and not waiting.has("c")


def test_padding_is_charged_to_whom_it_is_for() -> None:
    waiting, spent = scheduler(), {"short": 0.0, "long": 0.0}
    for _ in range(2_000):
        waiting.add(Job("short", "adapt", 4, 2.0, 0.0, 0, pads=True))
        waiting.add(Job("long", "adapt", 8, 4.0, 0.0, 0, pads=True))
    for _ in range(100):
        for job in waiting.next_batch():
            spent[job.tenant] += 4.0  # what each row of a padded batch takes, however short it is
    assert spent["short"] / sum(spent.values()) == pytest.approx(0.5, abs=0.05)


@given(arrivals)
def test_one_tenants_jobs_of_a_group_keep_their_order(arrivals: list[Job[int] | None]) -> None:
    waiting = scheduler()
    for job in arrivals:
        if job is not None:
            waiting.add(job)
    ran: dict[tuple[str, object], list[int]] = {}
    while batch := waiting.next_batch():
        for job in batch:
            ran.setdefault((job.tenant, job.group), []).append(job.payload)
    assert all(payloads == sorted(payloads) for payloads in ran.values())


@given(st.floats(0.1, 30), st.integers(1, 60), st.booleans())
def test_a_flood_of_one_tenant_does_not_starve_another(cost: float, flood: int, same_group: bool) -> None:
    waiting = scheduler()
    for number in range(flood):
        waiting.add(Job("loud", "predict", 1, cost, 0.0, number))
    waiting.add(Job("quiet", "predict" if same_group else "adapt", 1, 10.0, 0.0, -1))
    tenants: set[str] = set()
    for _ in range(3):
        tenants |= {job.tenant for job in waiting.next_batch()}
        for number in range(flood):  # the flood goes on
            waiting.add(Job("loud", "predict", 1, cost, 0.0, number))
    assert "quiet" in tenants


def test_two_saturated_tenants_share_the_device_by_cost() -> None:
    waiting = scheduler()
    spent = {"many": 0.0, "few": 0.0}
    for _ in range(500):
        waiting.add(Job("few", "adapt", 1, 35.0, 0.0, 0))
        for _ in range(20):
            waiting.add(Job("many", "adapt", 1, 7.0, 0.0, 0))
    for _ in range(200):
        for job in waiting.next_batch():
            spent[job.tenant] += job.cost
    assert spent["few"] / sum(spent.values()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("few_cost", "many_cost"), [(12.0, 1.0), (1.0, 12.0), (19.0, 3.0), (35.0, 7.0)])
def test_a_tenant_with_three_jobs_waiting_and_one_with_a_backlog_share_alike(few_cost: float, many_cost: float) -> None:
    waiting = scheduler()
    spent = {"few": 0.0, "many": 0.0}
    for _ in range(20_000):
        waiting.add(Job("many", "adapt", 1, many_cost, 0.0, 0))
    num_few = 0
    for _ in range(100):
        while num_few < 3:
            waiting.add(Job("few", "adapt", 1, few_cost, 0.0, 0))
            num_few += 1
        for job in waiting.next_batch():
            spent[job.tenant] += job.cost
            num_few -= job.tenant == "few"
    share = 3 * few_cost / 40 if 3 * few_cost < 20 else 0.5  # three small jobs a batch cannot fill half of it
    assert spent["few"] / sum(spent.values()) == pytest.approx(share, abs=0.05)


def test_the_queue_is_bounded_in_cost_and_says_when_to_come_back() -> None:
    waiting = scheduler(max_waiting_cost=1500.0)
    waiting.add(Job("loud", "predict", 1, 9000.0, 0.0, 0))  # a tenant's first job is taken, even above the bound
    with pytest.raises(Overloaded) as refused:
        waiting.add(Job("loud", "predict", 1, 1.0, 0.0, 1))
    assert refused.value.retry_after_s == 9
    waiting.add(Job("quiet", "predict", 1, 1.0, 0.0, 2))  # another's flood is not this one's fault
    assert waiting.waiting_cost == 9001.0
    waiting.add(Job("quiet", "predict", 1, 700.0, 0.0, 3))
    with pytest.raises(Overloaded):  # half of what may wait is for each of two
        waiting.add(Job("quiet", "predict", 1, 100.0, 0.0, 4))


def test_a_removed_job_never_runs() -> None:
    waiting = scheduler()
    first, second = (Job("a", "predict", 1, 1.0, 0.0, number) for number in range(2))
    waiting.add(first)
    waiting.add(second)
    assert waiting.remove(first)
    assert not waiting.remove(first)
    assert waiting.next_batch() == [second]
    assert not waiting.remove(second)
    assert not waiting
