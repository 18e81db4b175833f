"""What is counted, under which names, and that no name is added by more tasks or more tenants."""

import asyncio
import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.service.api.serving import curve, serving, vectors
from tests.service.samples import make_key

NUM_TENANTS = 20
DIM = 64
UNITLESS = {"kshot_batch_tasks", "kshot_batch_rows", "kshot_jobs"}  # histograms and gauges of things that are counted


async def scraped(client: httpx.AsyncClient) -> dict[str, float]:
    """Every series, by its name and labels as they are written."""
    text = (await client.get("/metrics")).text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


async def live(client: httpx.AsyncClient, token: str, name: str) -> None:
    """Everything that a tenant may do, some of it wrong."""
    client.headers["Authorization"] = f"Bearer {token}"
    body = {"model": "vectors", "support": vectors(DIM, "ab"), "name": name}
    made = await client.post("/v1/tasks", json=body)
    assert made.status_code == 201, made.text
    task, row = f"/v1/tasks/{made.json()['id']}", {"input": [0.5] * DIM}
    more = await client.post(f"{task}/support", json={"support": [{**row, "label": name, "id": name}]})
    assert more.status_code == 201, more.text
    assert (await client.post(f"{task}/predictions", json={"inputs": [row["input"]] * 3})).status_code == 200
    assert (await client.post(f"{task}/predictions", json={"inputs": [row["input"]]})).status_code == 200
    assert (await client.delete(f"{task}/support/{name}")).status_code == 200
    assert (await client.get(f"{task}/versions")).status_code == 200
    assert (await client.post("/v1/tasks", json={"model": name, "support": []})).status_code in (404, 422)
    assert (await client.get(f"/{name}")).status_code == 404
    for shots in (4, 6):
        body = {"model": "curves", "support": curve(shots)}
        assert (await client.post("/v1/tasks", json=body)).status_code == 201
    assert (await client.delete(task)).status_code == 204


async def test_no_series_is_added_by_tasks_or_tenants(sqlite_url: str) -> None:
    tokens = [
        await make_key(sqlite_url, "adapt", "predict", tenant=f"tenant-{number}") for number in range(NUM_TENANTS)
    ]
    async with serving(sqlite_url, "vectors", "curves", auth="on") as client:
        await live(client, str(tokens[0]), "first")
        await scraped(client)  # which is a request too
        before = await scraped(client)
        for number, token in enumerate(tokens):
            await live(client, str(token), f"name-{number}")
        after = await scraped(client)
    assert after.keys() == before.keys()
    made = 'kshot_versions_total{origin="adapt"}'
    assert (before[made], after[made]) == (3, 3 + 3 * NUM_TENANTS)
    assert not any("tenant" in series or "name-" in series or "first" in series for series in after)


async def test_what_is_done_is_counted(database_url: str) -> None:
    async with serving(database_url, "vectors", "curves") as client:
        body = {"model": "vectors", "support": vectors(DIM)}
        task = (await client.post("/v1/tasks", json=body)).headers["location"]
        for _ in range(2):
            await client.post(f"{task}/predictions", json={"inputs": [[0.5] * DIM] * 3})
        await client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"})
        seen = await scraped(client)
        while not seen.get('kshot_ended_jobs_total{state="succeeded"}'):
            await asyncio.sleep(0.05)
            seen = await scraped(client)
    pool = "read" if database_url.startswith("sqlite") else "shared"
    assert seen['kshot_batch_rows_sum{kind="predict"}'] == 6
    assert seen['kshot_padding_rows_total{kind="predict"}'] == 0
    assert (seen["kshot_cache_hits_total"], seen["kshot_cache_misses_total"]) == (1, 1)
    assert seen['kshot_versions_total{origin="adapt"}'] == 2
    assert seen['kshot_job_seconds_count{kind="adapt"}'] == 1
    assert seen['kshot_queue_requests{kind="predict"}'] == seen['kshot_queue_cost_seconds{kind="adapt"}'] == 0
    assert seen['kshot_database_statement_seconds_count{statement="insert"}'] >= 8
    assert seen['kshot_database_seconds_count{operation="write"}'] >= 3
    assert seen[f'kshot_database_connections_max{{pool="{pool}"}}'] == 8
    assert seen[f'kshot_database_connections_in_use{{pool="{pool}"}}'] <= 8
    assert seen["kshot_process_resident_memory_bytes"] > 1e8 and seen["kshot_process_open_fds"] > 3


async def test_an_outage_is_counted() -> None:
    async with serving("postgresql+psycopg://nobody@127.0.0.1:1/none", "vectors") as client:
        await client.get("/v1/tasks")
        assert (await scraped(client))['kshot_database_outages_total{operation="read"}'] >= 1


async def test_names_say_their_unit(sqlite_url: str) -> None:
    async with serving(sqlite_url, "vectors") as client:
        families = list(text_string_to_metric_families((await client.get("/metrics")).text))
    assert all(family.name.startswith("kshot_") and family.documentation for family in families)
    for family in families:
        ends = re.search(r"_(seconds|bytes|requests|fds|max|in_use|info|created)$", family.name)
        assert ends or family.type == "counter" or family.name in UNITLESS, family.name
