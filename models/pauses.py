"""Long work as generators: what serves them may do other work in every pause."""

from collections.abc import Generator, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def in_turn(works: Sequence[Generator[None, None, Result]]) -> Generator[None, None, list[Result]]:
    """What each comes to, one after another."""
    made = []
    for work in works:
        made.append((yield from work))
    return made


def at_once(work: Generator[None, None, Result]) -> Result:
    """What it comes to, where nothing else waits."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Result = done.value
            return result
