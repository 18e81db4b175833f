"""Trials of transfer: the related help, the hostile are left alone, and a table says which."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models import zoo
from models.checkpoint import load
from models.data.episodes import generator
from models.training.transfer import Family, disordered, drawn, families, grid, trial

ZOO = Path(next(iter(zoo.__path__)))


def clouds(seed: int) -> Family:
    draw = torch.Generator().manual_seed(seed)
    return Family(
        f"{seed}", [torch.randn(64, generator=draw) + 2 * torch.randn(30, 64, generator=draw) for _ in range(6)]
    )


def test_a_draw_shares_no_row_and_disorder_moves_every_label() -> None:
    task = drawn(clouds(0), 2, generator(0, 0))
    assert [len(part.rows) for part in (task.own, task.other, task.asked)] == [10, 50, 75]
    rows = torch.cat([task.own.rows, task.other.rows, task.asked.rows])
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)
    assert not (disordered(task.other).target == task.other.target).any()


def test_one_may_gain_by_its_own_family_alone() -> None:
    head = load(ZOO / "vectors").learner.head
    gains = grid(head, [clouds(1), clouds(2)], num_draws=4)
    assert np.diag(gains).mean() > 5 and abs(gains[0, 1] + gains[1, 0]) < 2


def test_curves_are_a_family_each() -> None:
    checkpoint = load(ZOO / "curves")
    found = families(checkpoint, Path("nowhere"), test=False)
    task = drawn(found[0], 3, generator(0, 0))
    done = trial(checkpoint.learner.head, task, [disordered(task.other), task.other])
    assert done.chosen in ((), (1,)) and done.gain == pytest.approx(100 * (done.taught - done.alone))


def test_a_model_without_families_says_so() -> None:
    with pytest.raises(ValueError, match="no families"):
        families(load(ZOO / "glyphs-maml"), Path("nowhere"), test=False)
