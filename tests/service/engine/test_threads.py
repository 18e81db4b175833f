"""Work side by side is done once each, in the caller's mode, and never while the caller pauses."""

import gc
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator

import pytest
import torch

from models.pauses import at_once
from service.engine.threads import Threads, of_torch

WAIT_S = 20.0  # for what comes at once where it comes at all
NAME = "kshot-beside"
STUCK = """
import threading, time
from service.engine.threads import Threads

begun = threading.Barrier(3)

def stuck():
    begun.wait()
    time.sleep(600)
    yield

asking = threading.Thread(target=lambda: list(Threads(2).abreast([stuck(), stuck()])), daemon=True)
asking.start()
begun.wait()
print("ends", flush=True)
"""


@pytest.fixture(autouse=True)
def torchs_threads() -> Iterator[None]:
    """Torch has as many as before, whatever a test has ended with."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Seen:
    """How many steps run, and that the first of them run at once: each waits for the others."""

    def __init__(self, num: int) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.together = threading.Barrier(num)

    def work(self, number: int, num_steps: int) -> Generator[None, None, tuple[int, int, bool]]:
        for step in range(num_steps):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            if number < self.together.parties and not step:
                self.together.wait(WAIT_S)
            with self.lock:
                self.now -= 1
            yield
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()


@torch.inference_mode()
@pytest.mark.parametrize("num", [1, 2, 3])
def test_each_comes_to_what_it_comes_to_alone(num: int) -> None:
    seen, before = Seen(num), torch.get_num_threads()
    steps = Threads(num).abreast([seen.work(number, 1 + number % 3) for number in range(7)])
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
    assert torch.get_num_threads() == before
    assert {threads for _, threads, _ in made} <= {before, 1}


def test_each_piece_has_as_many_threads_of_torch_as_beside_others() -> None:
    assert [of_torch(num) for num in (1, 2, 4, 7, 8, 16)] == [1, 1, 1, 1, 2, 4]
    torch.set_num_threads(of_torch(8))
    steps = Threads(8).abreast([Seen(1).work(number, 1) for number in range(1, 4)])
    assert [threads for _, threads, _ in at_once(steps)] == [2, 2, 2]


def broken(error: Exception) -> Generator[None, None, tuple[int, int, bool]]:
    raise error
    yield


@pytest.mark.parametrize("place", [0, 1])
def test_what_one_raises_is_raised_when_the_others_have_paused(place: int) -> None:
    seen = Seen(1)
    works = [seen.work(1, 1), broken(ValueError("of this one"))]
    with pytest.raises(ValueError, match="of this one"):
        list(Threads(2).abreast(works[::-1] if place == 0 else works))
    assert seen.now == 0


def test_of_several_errors_the_first_in_order_is_raised_and_the_threads_go_on() -> None:
    threads = Threads(2)
    with pytest.raises(KeyError):
        list(threads.abreast([broken(KeyError()), broken(ValueError())]))
    seen = Seen(2)
    assert results(threads.abreast([seen.work(number, 1) for number in range(2)])) == [0, 1]


def test_works_of_no_steps_and_no_works_come_to_their_ends() -> None:
    assert results(Threads(2).abreast([Seen(1).work(number, 0) for number in range(5)])) == [0, 1, 2, 3, 4]
    assert results(Threads(2).abreast([])) == []


def results(steps: Generator[None, None, list[tuple[int, int, bool]]]) -> list[int]:
    return [number for number, *_ in at_once(steps)]


def test_the_threads_end_with_what_asks_for_them() -> None:
    before, seen, threads = set(threading.enumerate()), Seen(3), Threads(3)
    list(threads.abreast([seen.work(number, 1) for number in range(3)]))
    own = [each for each in threading.enumerate() if each.name == NAME and each not in before]
    assert len(own) == 2
    del threads
    gc.collect()
    for each in own:
        each.join(WAIT_S)
    assert not any(each.is_alive() for each in own)


def test_whoever_asks_has_threads_of_its_own_which_end_with_it() -> None:
    before, seen, threads = set(threading.enumerate()), Seen(2), Threads(2)

    def others() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == NAME and each not in before]

    list(threads.abreast([seen.work(number, 1) for number in range(2)]))
    second = Seen(2)
    asking = threading.Thread(target=lambda: list(threads.abreast([second.work(n, 1) for n in range(2)])))
    first = others()
    asking.start()
    asking.join(WAIT_S)
    for each in {*others()} - {*first}:
        each.join(WAIT_S)
    assert others() == first != []


def test_a_piece_that_never_ends_does_not_keep_the_process() -> None:
    asked = [sys.executable, "-c", STUCK]
    assert subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout == "ends\n"
