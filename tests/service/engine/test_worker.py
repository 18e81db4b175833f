"""The device's threads: they run every batch to its end, a slice at a time, and say when one begins and is over."""

import os
import sys
import threading
from collections.abc import Callable, Generator

import pytest

from service.engine.turns import Batch, Lane
from service.engine.worker import APART, NICENESS, Work, Worker, advance

WAIT_S = 10
BULK, QUICK = Batch("bulk", {"a": 1.0}), Batch("interactive", {"b": 1.0})


def apart(on_over: Callable[[Batch], object], on_end: Callable[[], object]) -> Worker:
    """With a thread for predictions."""
    return Worker(
        apart=APART,
        num_threads=1,
        slice_ms=1,
        on_begin=lambda _: None,
        on_over=on_over,
        on_end=on_end,
    )


def test_a_prediction_does_not_wait_for_the_slice_of_an_adaptation() -> None:
    ends, is_answered, niceness = list[str](), threading.Event(), dict[str, int]()

    def work(name: str, *, waits: bool) -> Work:
        niceness[name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        assert not waits or is_answered.wait(WAIT_S)
        is_answered.set()
        yield

    worker = apart(lambda batch: ends.append(batch.lane), lambda: ends.append("end"))
    worker.start()
    worker.put(BULK, work("bulk", waits=True))
    worker.put(QUICK, work("quick", waits=False))
    worker.stop(WAIT_S)
    assert ends == ["interactive", "bulk", "end"]
    if sys.platform == "linux":
        assert niceness["quick"] == os.getpriority(os.PRIO_PROCESS, 0)
        assert niceness["bulk"] == min(19, niceness["quick"] + NICENESS)


@pytest.mark.parametrize("broken", [BULK, QUICK])
def test_a_thread_that_breaks_takes_the_other_with_it_and_tells_once(
    monkeypatch: pytest.MonkeyPatch, broken: Batch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    ends, has_broken, other = list[str](), threading.Event(), QUICK if broken is BULK else BULK

    def breaks() -> Work:
        yield
        raise SystemExit

    def goes_on() -> Work:
        assert has_broken.wait(WAIT_S)
        yield

    def on_end() -> None:
        ends.append("end")
        has_broken.set()

    worker = apart(lambda batch: ends.append(batch.lane), on_end)
    worker.start()
    worker.put(other, goes_on())
    worker.put(broken, breaks())
    assert has_broken.wait(WAIT_S)
    worker.stop(WAIT_S)
    assert ends == ["end"] and not worker.is_alive
    assert {*worker.left()} == {BULK, QUICK}


def test_what_is_over_is_told_before_the_end_and_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    ends, has_ended, breaks_now = list[str](), threading.Event(), threading.Event()

    def breaks() -> Work:
        assert breaks_now.wait(WAIT_S)
        raise SystemExit
        yield

    def on_over(batch: Batch) -> None:
        breaks_now.set()
        has_ended.wait(0.2)  # time enough to break in, if that were possible
        ends.append(batch.lane)

    def on_end() -> None:
        ends.append("end")
        has_ended.set()

    worker = apart(on_over, on_end)
    worker.start()
    worker.put(BULK, breaks())
    worker.put(QUICK, iter(()))  # type: ignore[arg-type]
    assert has_ended.wait(WAIT_S)
    assert ends == ["interactive", "end"] and worker.left() == [BULK]


def test_batches_of_all_lanes_run_to_their_end_and_what_began_is_over() -> None:
    told: list[tuple[str, Batch]] = []
    order: list[Batch] = []
    all_over = threading.Event()
    lanes: tuple[Lane, ...] = ("background", "bulk", "interactive")
    batches = [Batch(lane, {tenant: 1.0}) for lane in lanes for tenant in "ab"]

    def slices(batch: Batch) -> Generator[None, None, None]:
        for _ in range(7):
            order.append(batch)
            yield

    def on_over(batch: Batch) -> None:
        told.append(("over", batch))
        if len([word for word, _ in told if word == "over"]) == len(batches):
            all_over.set()

    worker = Worker(
        num_threads=1,
        slice_ms=1e-6,
        on_begin=lambda batch: told.append(("begins", batch)),
        on_over=on_over,
        on_end=lambda: None,
    )
    for batch in batches:
        worker.put(batch, slices(batch))
    assert not worker.is_alive
    worker.start()
    assert all_over.wait(10) and worker.is_alive
    worker.stop()
    assert not worker.is_alive
    assert all(order.count(batch) == 7 for batch in batches)
    assert sorted(told, key=lambda each: batches.index(each[1])) == [
        (word, batch) for batch in batches for word in ("begins", "over")
    ]
    assert order[0].lane == "interactive"


@pytest.mark.parametrize(("step_s", "may_overrun", "num_steps"), [(15, False, 1), (15, True, 2), (6, False, 3)])
def test_a_slice_of_long_work_ends_before_a_step_that_would_end_behind_it(
    step_s: int, may_overrun: bool, num_steps: int
) -> None:
    done: list[float] = [0.0]

    def steps() -> Generator[None, None, None]:
        for _ in range(4):
            done.append(done[-1] + step_s)
            yield

    work = steps()
    assert advance(work, 20, may_overrun=may_overrun, clock=lambda: done[-1])
    assert len(done) - 1 == num_steps
    while advance(work, 20, may_overrun=may_overrun, clock=lambda: done[-1]):
        pass
    assert len(done) - 1 == 4
