"""Nobody waits for a database that is away, a silent one is hung up on, and what is back is back at once."""

import asyncio
import time

import pytest
from sqlalchemy import text

from service import logs
from service.errors import DatabaseUnavailable
from service.storage import circuit as circuit_module
from service.storage.circuit import Circuit
from service.storage.database import Database
from service.storage.failures import unavailable
from tests.faults.postgres import Server, behind
from tests.faults.proxy import Proxy, proxied


class Asked:
    """A database that answers or not, and how often it was asked whether it is there."""

    def __init__(self) -> None:
        self.is_there = True
        self.count = 0
        self.about: list[object] = []

    async def ask(self) -> None:
        self.count += 1
        self.about.append(logs.about())
        if not self.is_there:
            raise unavailable()


async def fails(circuit: Circuit) -> None:
    with pytest.raises(DatabaseUnavailable), circuit.watched():
        raise unavailable()
    await asyncio.sleep(0.01)


async def test_one_failure_is_asked_about_and_is_not_an_outage() -> None:
    asked = Asked()
    circuit = Circuit(asked.ask)
    await fails(circuit)
    assert asked.count == 1 and not circuit.is_open
    await circuit.close()


async def test_an_outage_is_nobodys_request() -> None:
    asked = Asked()
    circuit = Circuit(asked.ask)
    mark = logs.begin(request_id="mine")
    await fails(circuit)
    logs.ABOUT.reset(mark)
    assert asked.about == [{}]
    await circuit.close()


async def test_while_it_is_away_nothing_is_tried_and_then_all_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_module, "PAUSE_S", 0.01)
    asked, num_tried = Asked(), 0
    circuit = Circuit(asked.ask)
    asked.is_there = False
    await fails(circuit)
    for _ in range(100):
        with pytest.raises(DatabaseUnavailable), circuit.watched():
            num_tried += 1
    assert num_tried == 0 and circuit.is_open
    asked.is_there = True
    async with asyncio.timeout(10):
        while circuit.is_open:
            await asyncio.sleep(0.01)
    with circuit.watched():
        num_tried += 1
    assert num_tried == 1
    await circuit.close()


async def test_a_process_that_stood_still_takes_nobody_for_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_module, "ANSWER_S", 0.1)
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            asyncio.get_running_loop().call_soon(time.sleep, 0.5)  # as when it was stopped, or its machine slept
            await asyncio.sleep(0.2)

    circuit = Circuit(ask)
    with pytest.raises(DatabaseUnavailable), circuit.watched():
        raise unavailable()
    for _ in range(50):
        await asyncio.sleep(0.01)
        assert not circuit.is_open
    assert asked == 2
    await circuit.close()


async def test_what_takes_long_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_module, "SUSPECT_AFTER_S", 0.01)
    asked = Asked()
    circuit = Circuit(asked.ask)
    with circuit.watched():
        await asyncio.sleep(0.1)
    assert asked.count >= 1
    await circuit.close()


async def held(database: Database, proxy: Proxy) -> float:
    """Seconds until a statement is given up whose answer never comes."""
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
        proxy.hold()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            async with database.read() as other:
                await other.execute(text("SELECT 1"))
        return time.monotonic() - began


async def test_a_silent_server_is_hung_up_on(postgresql_url: str, postgresql_server: str) -> None:
    async with proxied(Server(postgresql_server).dial) as (proxy, port):
        url = behind(postgresql_url, port)
        database = Database(url, statement_timeout_s=0.2, connect_timeout_s=2, pool_size=2)
        assert await held(database, proxy) < 20
        proxy.mend()
        async with asyncio.timeout(20):
            while database.circuit.is_open:
                await asyncio.sleep(0.02)
        async with database.read() as session:
            assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
        await database.close()


async def test_what_is_cancelled_takes_no_time(postgresql_url: str, postgresql_server: str) -> None:
    async with proxied(Server(postgresql_server).dial) as (proxy, port):
        database = Database(behind(postgresql_url, port))
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
        proxy.hold()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), database.read() as session:
                await session.execute(text("SELECT 1"))
        assert time.monotonic() - began < 5  # psycopg would wait ten seconds
        proxy.mend()
        await database.close()
