"""The recipe of photos, on descriptions that are made up: what directions learn, and what the head is taught on."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from models.data.photos import SETS
from models.training import photos
from models.training.discriminant import discriminant
from models.training.photos import Described, Halves, label_sets
from models.types import Classes, MultiHot

WAYS, SHOTS, DIM = 12, 14, 20


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Described:
    """Clouds long in ten directions and short in ten, their centres alike in all."""
    monkeypatch.setattr(photos, "WIDTH", 8)
    draw = torch.Generator().manual_seed(0)
    label = torch.arange(2 * WAYS).repeat_interleave(SHOTS)
    spread = torch.tensor([4.0] * 10 + [0.2] * 10)
    rows = torch.randn(2 * WAYS, DIM, generator=draw)[label] + spread * torch.randn(len(label), DIM, generator=draw)
    names = [(name, f"class {number}") for name in SETS for number in range(WAYS)]
    return Described(rows, label, names, torch.zeros_like(label), {}).halved()


def test_each_set_is_halved_and_every_draw_is_the_same(known: Described) -> None:
    for first in (0, WAYS * SHOTS):
        mine = known.half[first : first + WAYS * SHOTS].view(WAYS, SHOTS)
        assert (mine == mine[:, :1]).all() and mine[:, 0].sum() == WAYS // 2
    assert torch.equal(known.half, known.halved().half)
    part = known.only(known.half == 1).halved()
    assert len(torch.unique(part.label[part.half == 0])) == WAYS // 2


def test_directions_learned_on_some_classes_tell_others_apart(
    known: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.discriminant.SHRINKAGE", 0.05)
    first, second = (known.only(known.half == half) for half in (0, 1))
    centre, weight = discriminant(first.rows, first.label, DIM)

    def apart(rows: torch.Tensor) -> float:
        own = rows.view(-1, SHOTS, rows.shape[1])
        between = torch.cdist(own.mean(1), own.mean(1)).sum() / (WAYS * (WAYS - 1))
        return float(between / (own - own.mean(1, keepdim=True)).norm(dim=-1).mean())

    assert apart((second.rows - centre) @ weight) > 1.5 * apart(second.rows)


def test_without_shrinkage_it_is_fishers(known: Described, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.discriminant.SHRINKAGE", 0.0)
    centre, weight = discriminant(known.rows.double(), known.label, DIM)
    seen = ((known.rows.double() - centre) @ weight).numpy()
    own = seen - np.stack([seen[known.label == each].mean(0) for each in range(2 * WAYS)])[known.label]
    np.testing.assert_allclose(own.T @ own / (len(own) - 2 * WAYS), np.eye(DIM), atol=1e-6)
    rival = LinearDiscriminantAnalysis(solver="svd").fit(known.rows.numpy(), known.label.numpy())
    theirs = rival.transform(known.rows.numpy())[:, :3]
    assert abs(np.corrcoef(seen[:, 0], theirs[:, 0])[0, 1]) > 0.999


def test_tasks_are_of_one_half_and_of_both_kinds(known: Described) -> None:
    batches, kinds = Halves(known), set()
    for step in range(24):
        batch = batches(step)
        kinds.add(type(batch.support.target))
        assert batch.support.names is None
        assert batch.support.rows.values.shape[-1] == 8
        assert not isinstance(batch.target, Classes) or (batch.target.index < 0).any()
    assert kinds == {Classes, MultiHot}


def test_labels_of_a_set_hold_its_own_rows(known: Described) -> None:
    for place, each in enumerate(label_sets(known)):
        assert len(each.labels) == WAYS
        for number, label in enumerate(each.labels):
            assert (known.label[label.positions] == place * WAYS + number).all()
            assert len(label.positions) == SHOTS
        assert len(each.tags) == WAYS + 1 and len(each.tags[-1].positions) == 8 * SHOTS
