"""A module that two threads run with leaves of their own, at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from models.heads.with_leaves import own_leaves, with_leaves


class Slow(nn.Module):
    """Reads its leaf again and again, so that another's would be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.leaf = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Tensor) -> Tensor:
        """The rows, and all that the leaf was meanwhile."""
        pause = threading.Event()
        return torch.cat([rows + self.leaf for _ in range(20) if not pause.wait(0.001)], dim=1)


def test_two_threads_do_not_see_each_others_leaves() -> None:
    body, rows = Slow(), torch.zeros(1, 1)
    with ThreadPoolExecutor(4) as threads:
        running = threads.submit(with_leaves, body, {"leaf": torch.ones(1)}, rows)
        while not running.done():
            assert own_leaves(body)["leaf"].item() == 0
        made = list(threads.map(lambda value: with_leaves(body, {"leaf": torch.full((1,), value)}, rows), range(8)))
    for value, each in enumerate(made):
        assert each.tolist() == [[value] * 20]
    assert body.leaf.item() == 0
