import torch

from models.data.episodes import draw, full_batch, generator
from models.types import Classes


def test_a_step_has_its_own_randomness_whatever_came_before() -> None:
    first = torch.rand(3, generator=generator(0, 5))
    torch.rand(9)
    assert torch.equal(first, torch.rand(3, generator=generator(0, 5)))
    assert not torch.equal(first, torch.rand(3, generator=generator(0, 6)))
    assert not torch.equal(first, torch.rand(3, generator=generator(1, 5)))


def test_no_row_and_no_class_is_drawn_twice_in_a_task() -> None:
    pool = [torch.arange(c * 20, c * 20 + 20) for c in range(7)]
    rows = draw(pool, num_tasks=9, ways=5, rows=6, generator=generator(0, 0))
    assert rows.shape == (9, 5, 6)
    for task in rows:
        assert len(task.unique()) == 30
        assert len((task // 20)[:, 0].unique()) == 5
        assert ((task // 20) == (task // 20)[:, :1]).all()


def test_a_full_batch_lines_rows_up_with_their_classes() -> None:
    values = torch.arange(2 * 3 * 4).view(2, 3, 4, 1).float()
    batch = full_batch(values[:, :, :1], values[:, :, 1:])
    assert isinstance(batch.support.target, Classes)
    assert isinstance(batch.target, Classes)
    assert batch.support.target.index.tolist() == [[0, 1, 2]] * 2
    assert batch.target.index[0].tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert batch.query.values[1, :, 0].tolist() == [13, 14, 15, 17, 18, 19, 21, 22, 23]
