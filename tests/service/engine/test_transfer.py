"""The engine lets a task learn from others; who else is in the batch changes no bit."""

import asyncio
from dataclasses import replace

import numpy as np

from service.engine.arrays import Adapted, LabelledArrays, OtherArrays
from tests.service.engine.learners import DIM, Store, labelled, running, soon


def taught(seed: int, *, is_related: bool) -> LabelledArrays:
    """One example each of four classes, and another task with more of the same, or of the same in disorder."""
    centres = 6 * np.random.default_rng(seed).normal(size=(4, DIM))
    draw, classes = np.random.default_rng(seed + 1), np.tile(np.arange(4), 5)
    rows = (centres[classes] + draw.normal(size=(20, DIM))).astype(np.float32)
    theirs = classes[4:] if is_related else (classes[4:] + 1) % 4
    other = OtherArrays(rows[4:], theirs, None)
    return LabelledArrays(rows[:4], classes[:4], 4, None, encoded=True, others=(other,))


async def test_it_chooses_and_says_what_it_is_without() -> None:
    async with running(Store()) as engine:
        own = taught(1, is_related=True)
        answers = [
            (await engine.adapt("t", "encoded", task, soon())).result
            for task in (encoded(own), encoded(taught(1, is_related=False)), replace(encoded(own), others=()))
        ]
    learned, refused, alone = answers
    assert (learned.chosen, refused.chosen, refused.own) == ((0,), (), None)
    assert learned.own is not None
    assert_same(learned.own.params, alone)
    assert_same(refused.params, alone)
    assert any(not np.array_equal(learned.params[leaf], alone.params[leaf]) for leaf in alone.params)


async def test_neighbours_change_no_bit() -> None:
    tasks = [encoded(taught(seed, is_related=bool(seed % 2))) for seed in range(6)]
    async with running(Store()) as engine:
        one_by_one = [(await engine.adapt("t", "encoded", task, soon())).result for task in tasks]
        at_once = await asyncio.gather(*(engine.adapt("t", "encoded", task, soon()) for task in tasks))
        await engine.adapt("t", "encoded", replace(labelled(1), rows=encoded(labelled(1)).rows, encoded=True), soon())
    for alone, together in zip(one_by_one, at_once, strict=True):
        assert_same(together.result.params, alone)
        assert together.result.chosen == alone.chosen


def encoded(task: LabelledArrays) -> LabelledArrays:
    """The rows as features, of the width of the model `encoded`."""
    others = tuple(replace(other, rows=_wide(other.rows)) for other in task.others)
    return replace(task, rows=_wide(task.rows), others=others)


def _wide(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, rows, rows[:, :1]], 1)


def assert_same(params: dict[str, np.ndarray], other: Adapted) -> None:
    assert params.keys() == other.params.keys()
    assert all(np.array_equal(params[leaf], other.params[leaf]) for leaf in params)
