"""What unit costs are multiplied to."""

from dataclasses import replace

import pytest

from benchmarks.arithmetic import USED, Demand, plan, told
from benchmarks.unit_costs import Cost, Costs
from service.settings import MIB, Settings

SETTINGS = Settings.model_construct()
MANY = Cost(service_ms=1.0, database_ms=0.1, num_transactions=0.1, wal_bytes=0)
ADAPT = Cost(service_ms=10.0, database_ms=2.0, num_transactions=1, wal_bytes=MIB)
COSTS = Costs(
    predict_few=replace(MANY, database_ms=1.0),
    predict_many=MANY,
    predict_missed=replace(MANY, service_ms=2.0),
    missed=0.5,
    adapt_many=ADAPT,
    idle=Cost(service_ms=0, database_ms=10.0, num_transactions=20, wal_bytes=0),
    disk_bytes=MIB,
    cache_bytes=MIB,
    resident_mib=500,
)


def test_cores_are_filled_as_far_as_they_may_be() -> None:
    found = plan(COSTS, Demand(num_tasks=SETTINGS.cache_mib, requests_per_s=1_000, adapts=0.1), SETTINGS)
    busy = 0.9 * 1.0 + 0.1 * 10.0
    assert found.cached == 1
    assert found.num_replicas == pytest.approx(busy / USED, abs=1)
    idle = 0.01 * found.num_replicas
    assert found.database_cores == pytest.approx((idle + 0.9 * 0.1 + 0.1 * 2.0, idle + 0.9 * 1.0 + 0.1 * 2.0))
    assert found.wal_mib_per_s == pytest.approx(100)
    assert found.num_connections == found.num_replicas * (SETTINGS.pool_size + 1)


def test_tasks_that_are_not_in_memory_cost_what_those_did_that_were_read() -> None:
    tasks = 2 * SETTINGS.cache_mib
    found = plan(COSTS, Demand(num_tasks=tasks, requests_per_s=1_000, adapts=0.0), SETTINGS)
    assert found.cached == 0.5
    assert found.num_replicas == pytest.approx(2.0 / USED, abs=1)  # of half of the tasks, as was measured


def test_the_first_to_be_full_is_told_first() -> None:
    demand = Demand(num_tasks=1_000_000, requests_per_s=1_000, adapts=0.0001)
    full = plan(COSTS, demand, SETTINGS).full()
    line = told({"glyphs": COSTS}, demand).rpartition("- `glyphs`: ")[2]
    places = [line.index(name) for name in sorted(full, key=lambda name: full[name])]
    assert places == sorted(places)
