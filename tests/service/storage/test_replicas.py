"""Two processes on one database: each sees at once what the other was told is written, and neither loses a write."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest


class Replica:
    """A process of its own that answers commands."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.service.storage.replica", url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **command: object) -> Any:
        self.send(**command)
        return self.receive()

    def send(self, **command: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def replicas(database_url: str) -> Iterator[tuple[Replica, Replica]]:
    pair = Replica(database_url), Replica(database_url)
    yield pair
    for replica in pair:
        replica.process.communicate(timeout=30)
        assert replica.process.returncode == 0


def test_reads_see_the_writes_of_the_other(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    for _ in range(20):
        (task_id,) = one.ask(store=1)
        assert two.ask(fetch=task_id) == [1]
        assert two.ask(delete=task_id) is True
        assert one.ask(fetch=task_id) == []
        one, two = two, one


def test_both_may_write_at_once(replicas: tuple[Replica, Replica]) -> None:
    for replica in replicas:
        replica.send(store=40)
    stored = [replica.receive() for replica in replicas]
    for replica, ids in zip(reversed(replicas), stored, strict=True):
        assert all(replica.ask(fetch=task_id) == [1] for task_id in ids)


def test_what_was_acknowledged_survives_a_kill(database_url: str) -> None:
    victim = Replica(database_url)
    ids = victim.ask(store=5)
    victim.send(store=10_000)
    victim.process.kill()
    victim.process.communicate()
    heir = Replica(database_url)
    assert all(heir.ask(fetch=task_id) == [1] for task_id in ids)
    heir.process.communicate(timeout=30)
