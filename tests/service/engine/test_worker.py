"""The device's thread: who gets it when."""

import threading
from collections.abc import Generator

from service.engine.worker import BACKGROUND_EVERY, Lane, Worker


def test_background_work_gets_a_share_while_there_is_other_work_and_all_when_there_is_none() -> None:
    order: list[str] = []
    over = threading.Event()

    def slices(name: str, num: int) -> Generator[None, None, None]:
        for _ in range(num):
            order.append(name)
            yield
        if name == "background":
            over.set()

    lanes: list[Lane] = []
    worker = Worker(num_threads=1, slice_ms=0, on_free=lanes.append, on_end=lambda: None)
    worker.put("background", slices("background", 12))
    worker.put("bulk", slices("bulk", 20))
    worker.put("interactive", slices("interactive", 2))
    worker.start()
    assert over.wait(10)
    worker.stop()
    assert order[:2] == ["interactive", "interactive"]
    while_busy = order[: len(order) - order[::-1].index("bulk")]
    assert while_busy.count("background") <= len(while_busy) / BACKGROUND_EVERY + 1
    assert order.count("background") == 12 and set(lanes) == {"background", "bulk", "interactive"}
