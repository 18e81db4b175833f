import torch

from models.data.table_functions import SCORES
from models.data.table_prior import FAMILIES, TableTasks
from models.inputs.table import MISSING, NUMBER, WORD
from models.types import Classes


def test_the_same_step_makes_the_same_tables() -> None:
    tasks = TableTasks(num_tasks=3)
    first, again, other = tasks(4), tasks(4), tasks(5)
    assert torch.equal(first.support.rows.values, again.support.rows.values)
    assert first.support.rows.values.shape != other.support.rows.values.shape
    part = tasks(4, range(1, 2))
    assert torch.equal(part.query.values[0], first.query.values[1])


def test_tables_are_of_the_sizes_that_are_asked_for() -> None:
    batch = TableTasks(num_tasks=4, ways=3, shots=5, queries=24)(0)
    assert isinstance(batch.support.target, Classes)
    counts = [torch.bincount(index, minlength=3).tolist() for index in batch.support.target.index]
    assert counts == [[5, 5, 5]] * 4
    assert batch.query.values.shape[1] == 24


def test_tables_are_finite_and_of_every_kind_of_cell() -> None:
    kinds, sizes = set(), set()
    for step in range(30):
        batch = TableTasks(num_tasks=2)(step)
        values = batch.support.rows.values
        assert torch.isfinite(values).all()
        assert values.shape[2] <= 64 and values.shape[1] <= 130
        kinds |= set(values[..., 0].flatten().tolist())
        assert isinstance(batch.support.target, Classes)
        assert all(torch.bincount(index).min() >= 1 for index in batch.support.target.index)
        sizes.add(batch.support.target.ways.shape[1])
    assert kinds == {MISSING, NUMBER, WORD}
    assert len(sizes) > 3


def test_every_family_gives_every_class_rows() -> None:
    draw = torch.Generator().manual_seed(0)
    for family in set(FAMILIES):
        values, classes = family(draw, 6, 3)
        assert values.shape == (len(classes), 6) and torch.isfinite(values).all()
        assert set(classes.tolist()) <= {0, 1, 2}
    for score in SCORES:
        assert torch.isfinite(score(draw, torch.randn(512, 3, generator=draw), 2)).all()
