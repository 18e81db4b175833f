"""Tasks made from nothing: the same for the same seed and step, finite, and of the kinds that are stated."""

from collections.abc import Callable

import pytest
import torch

from models.data.episodes import Batch
from models.data.regressions import LinearTasks, SinusoidTasks
from models.data.synthetic import CurveTasks, VectorTasks
from models.types import Classes, Values

REGRESSIONS = (CurveTasks, LinearTasks, SinusoidTasks)


@pytest.mark.parametrize("tasks", [VectorTasks(8, num_tasks=3), CurveTasks(num_tasks=3)])
def test_a_step_is_the_same_whatever_came_before(tasks: VectorTasks | CurveTasks) -> None:
    first, other, again = tasks(5), tasks(6), tasks(5)
    assert torch.equal(first.support.rows.values, again.support.rows.values)
    assert not torch.equal(first.support.rows.values[:, 0], other.support.rows.values[:, 0])


@pytest.mark.parametrize("make", [VectorTasks(8, num_tasks=5), *(kind(num_tasks=5) for kind in REGRESSIONS)])
def test_a_task_is_the_same_whatever_others_are_made_with_it(make: Callable[..., Batch]) -> None:
    together = make(7)
    for tasks in (range(2), range(2, 5)):  # as if two lanes, or machines, had shared the batch
        part = make(7, tasks)
        assert torch.equal(part.support.rows.values, together.support.rows.values[tasks.start : tasks.stop])
        assert torch.equal(part.query.values, together.query.values[tasks.start : tasks.stop])
    assert len({values.numpy().tobytes() for values in together.query.values}) == 5


def test_vectors_come_in_classes() -> None:
    batch = VectorTasks(8, num_tasks=4, min_ways=3, max_ways=3, min_shots=2, max_shots=2, queries=5)(0)
    assert isinstance(batch.support.target, Classes)
    assert batch.support.rows.values.shape == (4, 6, 8)
    assert batch.query.values.shape == (4, 15, 8)
    assert batch.support.target.index[0].tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.isfinite(batch.support.rows.values).all()


def test_curves_lie_in_their_range_and_vary() -> None:
    for step in range(5):
        batch = CurveTasks(num_tasks=8)(step)
        assert isinstance(batch.target, Values)
        assert batch.query.values.abs().max() <= 5
        assert torch.isfinite(batch.target.values).all()
        assert batch.target.values.std(1).min() > 0.1


def test_one_query_of_four_may_lie_beyond_the_range_and_is_finite_there() -> None:
    batch = CurveTasks(num_tasks=64, reach=8.0)(0)
    assert isinstance(batch.target, Values)
    far = batch.query.values.abs().amax(0).flatten() > 5
    assert far.tolist() == [number % 4 == 3 for number in range(20)]
    assert torch.isfinite(batch.target.values).all()
