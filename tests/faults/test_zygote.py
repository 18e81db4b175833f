"""The zygote: its children serve, stop as told, and kill themselves at the moment that was named."""

import signal

import httpx
import pytest

from tests.faults.moments import Moment
from tests.faults.zygote import Zygote

TASK = {"model": "curves", "support": [{"input": [1.0], "target": 2.0}]}


def test_a_life_ends_and_another_begins(zygote: Zygote, sqlite_url: str) -> None:
    env = {"KSHOT_DATABASE_URL": sqlite_url, "KSHOT_AUTH": "off"}
    with httpx.Client(verify=False, timeout=60) as http:
        with zygote.serving(env) as life:
            made = http.post(f"{life.url}/v1/tasks", json=TASK)
            assert made.status_code == 201 and not life.is_over()
            life.stop(signal.SIGTERM)
        with zygote.serving(env) as next_life:
            assert next_life.pid != life.pid
            assert http.get(f"{next_life.url}/v1/tasks/{made.json()['id']}").status_code == 200
            next_life.stop(signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                http.get(f"{next_life.url}/livez")


@pytest.mark.parametrize(("moment", "num_tasks"), [(("statement", 4), 0), (("commit", 1), 0), (("committed", 1), 1)])
def test_it_dies_at_the_moment(zygote: Zygote, sqlite_url: str, moment: Moment, num_tasks: int) -> None:
    env = {"KSHOT_DATABASE_URL": sqlite_url, "KSHOT_AUTH": "off"}
    with httpx.Client(verify=False, timeout=60) as http:
        with zygote.serving(env, dies_at=moment) as life:
            life.arm()
            with pytest.raises(httpx.TransportError):
                http.post(f"{life.url}/v1/tasks", json=TASK)
            assert life.is_over(timeout_s=60)
        with zygote.serving(env) as life:
            assert len(http.get(f"{life.url}/v1/tasks").json()["items"]) == num_tasks
