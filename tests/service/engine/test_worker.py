"""The device's thread: it runs every batch to its end, a slice at a time, and says when one begins and is over."""

import threading
from collections.abc import Generator

import pytest

from service.engine.turns import Batch, Lane
from service.engine.worker import Worker, advance


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
