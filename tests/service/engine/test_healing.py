"""The device's thread dies, or its device: what was asked is answered, and the engine is itself again where it can."""

import asyncio
import ctypes
import threading
import time

import pytest

from service.engine import healing
from service.engine.arrays import Adapted
from service.engine.engine import Engine
from service.errors import NotReady
from tests.service.engine.learners import POISON, SLOW, Store, labelled, running, soon


async def adapted(engine: Engine, seed: int) -> Adapted:
    return (await engine.adapt("t", "ridge", labelled(seed), soon())).result


async def healthy(engine: Engine) -> None:
    """Wait until it is."""
    async with asyncio.timeout(20):
        while not engine.is_healthy:
            await asyncio.sleep(0.01)


def kill(thread: threading.Thread) -> None:
    """End a thread at its next step, wherever it is, as a bug or the interpreter may."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


async def test_a_device_that_is_broken_makes_the_engine_unhealthy_until_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise RuntimeError("injected: the device is gone")

    support = labelled(0)
    support.rows[0, 0] = POISON
    monkeypatch.setattr(healing, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    async with running(Store()) as engine:
        with monkeypatch.context() as patched:
            patched.setattr(engine._compute, "prove", broken)
            with pytest.raises(NotReady):
                await engine.adapt("t", "fragile", support, soon())
            for _ in range(5):  # however often it is tried
                assert not engine.is_healthy
                with pytest.raises(NotReady):
                    await adapted(engine, 1)
                await asyncio.sleep(0.02)
        await healthy(engine)
        await adapted(engine, 1)


@pytest.mark.parametrize("is_idle", [True, False])
async def test_a_thread_that_dies_is_replaced_and_what_it_had_is_answered(
    monkeypatch: pytest.MonkeyPatch, is_idle: bool
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    slow = labelled(0)
    slow.rows[0, 0] = SLOW
    async with running(Store()) as engine:
        asked: list[asyncio.Future[object]] = []
        if not is_idle:
            asked.append(asyncio.ensure_future(engine.adapt("t", "fragile", slow, soon())))
        await asyncio.sleep(0.1)
        kill(engine._device.worker._threads[-1])
        asked.append(asyncio.ensure_future(adapted(engine, 1)))  # wakes the thread, if it was idle
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers[0], NotReady)
        await healthy(engine)
        for seed in range(5):
            await adapted(engine, seed)
        assert engine._metrics.worker_restarts._value.get() == 1


async def test_who_stops_while_a_device_is_tried_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    is_tried = threading.Event()

    def prove() -> None:
        if threading.current_thread() in first:
            raise RuntimeError("injected: the device is gone")
        is_tried.set()
        time.sleep(0.3)

    support = labelled(0)
    support.rows[0, 0] = POISON
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    async with running(Store()) as engine:
        first = engine._device.worker._threads
        monkeypatch.setattr(engine._compute, "prove", prove)
        with pytest.raises(NotReady):
            await engine.adapt("t", "fragile", support, soon())
        assert await asyncio.to_thread(is_tried.wait, 60)
        tried = engine._device._tried._threads
    assert not {*tried} & {*first} and not any(thread.is_alive() for thread in tried)


async def test_a_device_that_does_not_get_on_is_not_healthy() -> None:
    hangs = labelled(0)
    hangs.rows[0, 0] = SLOW
    async with running(Store(), request_timeout_s=0.01) as engine:
        await healthy(engine)  # its first run may have been slow
        asked = asyncio.ensure_future(engine.adapt("t", "fragile", hangs, soon()))
        async with asyncio.timeout(20):
            while engine.is_healthy:
                await asyncio.sleep(0.001)
        asked.cancel()
