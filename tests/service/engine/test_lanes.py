"""Work side by side is done once each, in the caller's mode, and never while the caller pauses."""

import threading
import time
from collections.abc import Generator

import pytest
import torch

from service.engine.lanes import Lanes

STEP_S = 0.01


class Seen:
    """How many steps run, and ran at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def work(self, number: int, num_steps: int) -> Generator[None, None, tuple[int, int, bool]]:
        for _ in range(num_steps):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(STEP_S)
            with self.lock:
                self.now -= 1
            yield
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()


@torch.inference_mode()
@pytest.mark.parametrize("num", [1, 2, 3])
def test_each_comes_to_what_it_comes_to_alone(num: int) -> None:
    seen, before = Seen(), torch.get_num_threads()
    steps = Lanes(num).abreast([seen.work(number, 1 + number % 3) for number in range(7)])
    made: list[tuple[int, int, bool]] = []
    num_pauses = 0
    while not made:
        try:
            next(steps)
            num_pauses += 1
            assert seen.now == 0
        except StopIteration as done:
            made = done.value
    assert [number for number, *_ in made] == list(range(7)) and seen.most == num
    assert all(is_inference for *_, is_inference in made)
    assert num_pauses <= 13 and (num == 1 or num_pauses < 13)
    assert torch.get_num_threads() == (num if num > 1 else before)
    torch.set_num_threads(before)


def test_what_one_raises_is_raised_when_the_others_have_paused() -> None:
    seen, before = Seen(), torch.get_num_threads()

    def broken() -> Generator[None, None, tuple[int, int, bool]]:
        raise ValueError
        yield

    with pytest.raises(ValueError):
        list(Lanes(2).abreast([broken(), seen.work(0, 1)]))
    assert seen.now == 0
    torch.set_num_threads(before)
