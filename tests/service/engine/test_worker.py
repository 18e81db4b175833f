"""The device's thread: it runs every batch to its end, a slice at a time, and says when one begins and is over."""

import threading
from collections.abc import Generator

from service.engine.turns import Batch, Lane
from service.engine.worker import Worker


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
