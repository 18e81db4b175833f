"""Job pickup is taken from what the service says of its jobs."""

from benchmarks.jobs import pickups, row
from benchmarks.served import wait_until_ready
from service.app import create_app
from service.settings import Settings
from tests.service.api.live import live


def test_each_job_has_a_pickup(sqlite_url: str) -> None:
    with live(create_app(Settings(database_url=sqlite_url, threads=1, auth="off", only_models=("curves",)))) as url:
        wait_until_ready(url)
        found = pickups(url, 2)
    assert len(found) == 2 and all(ms >= 0 for ms in found)


def test_a_row_of_median_95th_percentile_and_most() -> None:
    assert row("here", [*range(101)]) == ["here", "50", "95", "100"]
