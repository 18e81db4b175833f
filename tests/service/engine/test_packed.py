"""Params as one piece of memory: what went in comes out, alone and in a batch, and takes what is counted."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from service.engine import packed
from service.engine.arrays import Array
from service.engine.cache import Cache, CachedTask, texts_of
from service.engine.packed import ALIGNED, pack, stack
from service.metrics import Metrics

CPU = torch.device("cpu")


def params(num_ways: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "ways": np.ones(num_ways, np.bool_),
        "weight": rng.normal(size=(num_ways, 3)).astype(np.float32),
        "scale": np.array(rng.normal(), np.float32),
    }


@pytest.mark.parametrize("num_tasks", [1, 2, 65])
def test_tasks_of_the_same_sizes_are_stacked(num_tasks: int) -> None:
    tasks = [params(5, seed) for seed in range(num_tasks)]
    batch = stack([pack(task) for task in tasks], CPU)
    for leaf in tasks[0]:
        np.testing.assert_array_equal(batch[leaf].numpy(), np.stack([task[leaf] for task in tasks]))
        assert batch[leaf].data_ptr() % ALIGNED == 0
        assert batch[leaf].is_contiguous()


def test_a_batch_goes_to_another_device_in_one_piece() -> None:
    here, there = (stack([pack(params(5)), pack(params(2))], torch.device(name)) for name in ("cpu", "meta"))
    assert {leaf: (held.shape, held.dtype) for leaf, held in there.items()} == {
        leaf: (held.shape, held.dtype) for leaf, held in here.items()
    }
    assert len({held.untyped_storage()._cdata for held in there.values()}) == 1


def test_forms_that_were_made_anew_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, packs = [params(5, seed) for seed in range(2)], []
    for task in tasks:
        packed._form.cache_clear()
        packs.append(pack(task))
    assert packs[0].form is not packs[1].form
    monkeypatch.setattr(packed, "_pad", None)  # the slow way
    batch = stack(packs, CPU)
    for leaf in tasks[0]:
        np.testing.assert_array_equal(batch[leaf].numpy(), np.stack([task[leaf] for task in tasks]))


def test_ragged_tasks_are_padded_with_zeros() -> None:
    tasks = [params(num_ways, num_ways) for num_ways in (2, 5, 3)]
    batch = stack([pack(task) for task in tasks], CPU)
    assert batch["weight"].shape == (3, 5, 3)
    for row, task in enumerate(tasks):
        num_ways = len(task["ways"])
        for leaf in ("weight", "ways"):
            np.testing.assert_array_equal(batch[leaf][row, :num_ways].numpy(), task[leaf])
            assert not batch[leaf][row, num_ways:].any()


def test_a_batch_is_written_to_without_harm_to_its_tasks() -> None:
    task = pack(params(2))
    stack([task], CPU)["weight"].zero_()
    np.testing.assert_array_equal(task.array("weight"), params(2)["weight"])
    with pytest.raises(ValueError, match="read-only"):
        task.array("weight")[...] = 0


def test_what_python_takes_for_a_task_is_counted() -> None:
    labels, thresholds = [f"label {number}" for number in range(5)], [(0.5, -0.1), (0.9, -2.0)]
    task = CachedTask(1000, "digest", pack(params(5)), 0.5, texts_of(labels, None, thresholds))
    assert task.told[:2] == (labels, None)
    assert task.told[2] is not None
    assert [*map(tuple, task.told[2])] == thresholds
    assert pack(params(5)).form is task.params.form


@pytest.mark.parametrize("num_ways", [2, 300])
def test_a_cache_takes_what_it_tells(num_ways: int) -> None:
    labels = [f"label {number}" for number in range(num_ways)]
    metrics = Metrics()
    cache = Cache(2**40, metrics)
    pack(params(num_ways))
    with tracing() as taken:
        for number in range(2_000):
            task = CachedTask(1_000 + number, "digest", pack(params(num_ways)), float(number), texts_of(labels))
            cache.put(("t", f"task_{number}"), task)
        told = metrics.registry.get_sample_value("kshot_cache_bytes")
        assert told is not None
        assert 0.9 * taken() <= told <= 1.25 * taken()  # some of what it takes was free in lists of Python's own


@contextmanager
def tracing() -> Iterator[Callable[[], int]]:
    """How many bytes Python has taken since."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
