"""More than can be served, for a moment: each request is answered or refused, and a quiet tenant notices nothing."""

import asyncio

import httpx
import numpy as np

from benchmarks.asked import predictions
from benchmarks.load import Run
from tests.faults.zygote import Zygote
from tests.service.samples import make_key

ENV = {"KSHOT_THREADS": "1", "KSHOT_JOB_WORKERS": "0", "KSHOT_MAX_WAIT_MS": "1"}
NUM_CLIENTS, SECONDS = 48, 1.5


def counted(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


async def test_a_flood_is_answered_or_refused_and_another_tenant_is_answered(zygote: Zygote, sqlite_url: str) -> None:
    keys = [str(await make_key(sqlite_url, "admin", tenant=tenant)) for tenant in ("loud", "quiet")]
    with zygote.serving(ENV | {"KSHOT_DATABASE_URL": sqlite_url}) as life:
        loud, quiet = [await asyncio.to_thread(predictions, life.url, "vectors", 2, key) for key in keys]
        order = np.arange(2)
        flood, few = await asyncio.gather(
            Run(life.url, loud, order, NUM_CLIENTS).closed_loop(0.0, SECONDS),
            Run(life.url, quiet, order, 1).closed_loop(0.0, SECONDS),
        )
        again = await Run(life.url, loud, order, 1).closed_loop(0.0, 0.1)
        shed = counted(life.url, 'kshot_shed_requests_total{reason="crowded"}')
        in_flight = counted(life.url, "kshot_http_in_flight_requests")
    statuses = flood.status.tolist()
    assert set(statuses) == {200, 429} and statuses.count(429) == shed
    assert set(few.status.tolist()) == set(again.status.tolist()) == {200}
    assert in_flight == 0
