"""kshot on Ray Serve; replicas and nodes of a cluster go under load: `python -m tests.faults.cluster`.

The nodes are processes of this machine (`ray.cluster_utils.Cluster`). The head has Serve's proxy and controller; each
other node has room for one replica.
"""

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import ray
from ray import serve
from ray.cluster_utils import Cluster

from benchmarks import page
from service.api.problems import MEDIA_TYPE
from service.scale import Fleet, fleet
from service.schemas import Problem
from service.storage.migrate import upgrade
from tests.conftest import administer, on_server, running_postgresql
from tests.faults.kinds import QUERIES, TASK
from tests.faults.replicas import HEAD, NUM_CLIENTS, Load, row
from tests.faults.telling import conclude, say

NUM_REPLICAS = 2
TIMEOUT_S = 600.0  # for a replica to be there on a machine with other work
NUM_AT_ONCE, NUM_WITHIN = 40, 1  # of a flood, and as many of it as a replica may have under way
ENV = {
    "KSHOT_AUTH": "off",
    "KSHOT_ONLY_MODELS": "curves,vectors",
    "KSHOT_LOG_LEVEL": "error",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "service.api.proxied.in_proxy",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_timeout_ms": "60000",  # a machine with other work is slow, and not dead
    "RAY_worker_register_timeout_seconds": "300",
}
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


class Nodes:
    """A cluster on which kshot is served at `url`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._cluster = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0, "include_dashboard": False})
        for _ in range(NUM_REPLICAS):
            self._cluster.add_node(**NODE)
        self._cluster.connect()
        serve.start(proxy_location="HeadOnly", http_options={"port": port})
        self.deploy(NUM_REPLICAS)

    def deploy(self, num_replicas: int) -> None:
        """As many replicas as this, by the settings of now."""
        serve.run(fleet(Fleet(num_replicas=num_replicas)), blocking=False)
        self.until_running(num_replicas)

    def until_running(self, num_replicas: int) -> None:
        """Return when so many replicas are there, and no other."""
        end = time.monotonic() + TIMEOUT_S
        while _states() != {"RUNNING": num_replicas}:
            if time.monotonic() > end:
                raise TimeoutError(f"replicas: {_states()}")
            time.sleep(0.2)

    def stop_replica(self) -> None:
        """Fewer are wanted, and then as many as before."""
        self.deploy(NUM_REPLICAS - 1)
        self.deploy(NUM_REPLICAS)

    def kill_replica(self) -> None:
        """One process is gone at once; Serve starts another."""
        before = _replicas()
        ray.kill(ray.get_actor(next(iter(before)), namespace="serve"))
        self._until_replaced(before)

    def lose_node(self) -> None:
        """One machine is gone at once with all that was on it; then there is another."""
        before = _replicas()
        self._cluster.remove_node(next(iter(self._cluster.worker_nodes)), allow_graceful=False)
        self._cluster.add_node(**NODE)
        self._until_replaced(before)

    def _until_replaced(self, before: set[str]) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not _replicas() - before and time.monotonic() < end:  # before it is there, Serve may not know of the loss
            time.sleep(0.2)
        self.until_running(NUM_REPLICAS)

    def close(self) -> None:
        """End all of it."""
        serve.shutdown()
        ray.shutdown()
        self._cluster.shutdown()


def _states() -> Mapping[str, int]:
    found = serve.status().applications["default"].deployments.get("kshot")
    return {} if found is None else {str(state): count for state, count in found.replica_states.items() if count}


def _replicas() -> set[str]:
    named = ray.util.list_named_actors(all_namespaces=True)
    return {each["name"] for each in named if each["name"].startswith("SERVE_REPLICA::default#kshot#")}


@contextmanager
def clustered(database_url: str, port: int) -> Iterator[Nodes]:
    """A cluster whose nodes have the settings that replicas need."""
    os.environ |= ENV | {"KSHOT_DATABASE_URL": database_url}  # which its processes inherit
    nodes = Nodes(port)
    try:
        yield nodes
    finally:
        nodes.close()


def under_load(nodes: Nodes, fault: Callable[[], None], rounds: int) -> Load:
    """So many faults, one after another, while clients work; the first error that one meets ends it."""
    load, over = Load(nodes.url), Event()
    with ThreadPoolExecutor(1) as pool:  # of the two, Ray insists on the main thread
        working = pool.submit(asyncio.run, until(over, load))
        try:
            for round_ in range(rounds):
                time.sleep(1)
                fault()
                say(f"{fault.__name__} {round_ + 1}: {load.done.total()} done, answers {dict(load.sent.answers)}")
                if working.done():
                    break
        finally:
            over.set()
        working.result()
    return load


async def until(over: Event, load: Load) -> None:
    """Work until it is over."""
    async with load.at_work():
        while not over.is_set():
            await asyncio.sleep(0.1)


async def flood(nodes: Nodes) -> Counter[int]:
    """More at once than Serve lets through: who is refused is told so in our words, and when to come again."""
    os.environ["KSHOT_MAX_IN_FLIGHT"] = str(NUM_WITHIN)
    await asyncio.to_thread(nodes.deploy, NUM_REPLICAS)
    async with httpx.AsyncClient(base_url=nodes.url, timeout=60, limits=httpx.Limits(max_connections=None)) as http:
        made = await http.post("/v1/tasks", json=TASK)
        path = f"/v1/tasks/{made.raise_for_status().json()['id']}/predictions"
        answers = await asyncio.gather(*(http.post(path, json=QUERIES) for _ in range(NUM_AT_ONCE)))
    for answer in answers:
        assert answer.status_code in (200, 429), answer.text
        if answer.status_code == 429:
            assert answer.headers["content-type"] == MEDIA_TYPE and int(answer.headers["retry-after"]) >= 1
            assert Problem.model_validate_json(answer.content).code == "overloaded"
    return Counter(answer.status_code for answer in answers)


def main() -> None:
    """Try each fault; the first error that a client meets ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="faults of each kind")
    parser.add_argument("--port", type=int, default=18_765, help="of Serve's proxy")
    parser.add_argument("--results", type=Path, help="the page to write to")
    asked = parser.parse_args()
    with running_postgresql() as server:
        administer(server, "CREATE DATABASE cluster")
        url = on_server(server, "cluster")
        upgrade(url)
        with clustered(url, asked.port) as nodes:
            faults = {
                "a replica stopped": nodes.stop_replica,
                "a replica killed": nodes.kill_replica,
                "a node lost": nodes.lose_node,
            }
            rows = [row(name, asked.rounds, under_load(nodes, fault, asked.rounds)) for name, fault in faults.items()]
            answers = asyncio.run(flood(nodes))
    command = page.command("cluster", "tests.faults")
    told = (
        f"`{command}`, Ray {ray.__version__}, {NUM_REPLICAS} replicas on as many nodes, {NUM_CLIENTS} clients at once."
    )
    after = f"Of {NUM_AT_ONCE} predictions at once, where a replica may have {NUM_WITHIN} under way: "
    after += (
        ", ".join(f"{count} x {status}" for status, count in sorted(answers.items())) + ", each with `Retry-After`."
    )
    text = f"{told}\n\n{page.table(['what happened', *HEAD[1:]], rows)}\n\n{after}"
    conclude(text, "cluster", asked.results)


if __name__ == "__main__":
    main()
