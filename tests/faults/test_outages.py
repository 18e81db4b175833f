"""A few faults of the table, briefly: in `make faults` all of them last until what is cached of keys has grown old."""

from pathlib import Path

import pytest

from service.engine.loading import Checkpoints
from tests.faults.databases import POSTGRES, SQLITE, Fault
from tests.faults.deployment import vectors_alone
from tests.faults.outages import on_postgresql, on_sqlite
from tests.faults.postgres import Server

BUSY_S = 30.0  # that a request may take longer, on a machine that does other things


@pytest.fixture(scope="module")
def checkpoints() -> Checkpoints:
    return vectors_alone()


def named(faults: tuple[Fault, ...], *names: str) -> list[Fault]:
    found = [fault for fault in faults if fault.name in names]
    assert len(found) == len(names)
    return found


async def test_postgresql(postgresql_server: str, checkpoints: Checkpoints) -> None:
    faults = named(POSTGRES, "every connection cut and refused")
    found = await on_postgresql(Server(postgresql_server), faults, checkpoints, hold_s=0.5, busy_s=BUSY_S)
    assert [wrong for each in found for wrong in each.wrong] == []


async def test_sqlite(tmp_path: Path, checkpoints: Checkpoints) -> None:
    faults = named(SQLITE, "locked by another process", "turned read-only")
    found = await on_sqlite(tmp_path, faults, checkpoints, hold_s=0.5, busy_s=BUSY_S)
    assert [wrong for each in found for wrong in each.wrong] == []
