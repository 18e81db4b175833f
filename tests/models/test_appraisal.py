"""What a support shows of its task: whatever the order, as honest as it says, and who is wrongly labelled."""

from pathlib import Path

import pytest
import torch

from models.appraisal import LEVELS, Appraisal, signs_of, suspects_of
from models.card import DamagedCheckpoint
from models.checkpoint import APPRAISAL, load, write_appraisal
from models.heads.bayesian_linear import BayesianLinear
from models.heads.crossed import Folds, crossed
from models.heads.ridge import Ridge
from models.training.appraisals.fitting import appraised, weighted_quantile
from models.training.appraisals.judging import Asked, Judged, judged
from models.training.appraisals.pools import Pool
from models.training.appraise import ZOO
from models.types import Classes, Support, Values, full_rows

WIDTH = 6


def pool(seed: int = 0, groups: int = 6) -> Pool:
    """Clouds, the groups of which lie more or less apart."""
    draw = torch.Generator().manual_seed(seed)
    apart = 0.5 + 2 * torch.rand(groups, 1, 1, 1, generator=draw)
    centres = apart * torch.randn(groups, 6, 1, WIDTH, generator=draw)
    rows = centres + torch.randn(groups, 6, 40, WIDTH, generator=draw)
    places = torch.arange(groups * 6 * 40).view(groups, 6, 40)
    return Pool(rows.flatten(0, 2), {str(n): list(places[n]) for n in range(groups)}, max_shots=8)


def test_the_order_of_the_support_plays_no_part() -> None:
    asked, head = pool()(7), Ridge()
    support, target = asked.support, asked.support.target
    assert isinstance(target, Classes)
    turned = torch.randperm(target.index.shape[1], generator=torch.Generator().manual_seed(1))
    other = Support(full_rows(support.rows.values[:, turned]), Classes(target.index[:, turned], target.ways))
    folds = Folds.of([torch.bincount(target.index[0]).tolist()])
    with torch.no_grad():
        signs = [
            signs_of(each, head.predict(head.adapt(each), each.rows), crossed(head, each, folds))
            for each in (support, other)
        ]
    torch.testing.assert_close(*signs, atol=1e-4, rtol=1e-4)
    assert signs[0].isfinite().all()


def test_on_other_groups_intervals_hold_about_as_often_as_they_say() -> None:
    head = Ridge()
    appraisal = appraised(head, "classification", pool(groups=12), 240, lambda done: None)
    others = pool(seed=1, groups=12)
    found = [judged(head, others(number)) for number in range(96)]
    with torch.no_grad():
        told = appraisal.appraise(torch.stack([each.signs for each in found]))
    figures = torch.tensor([each.figure for each in found])
    low, middle, high = told.interval.unbind(1)
    assert float(((low <= figures) & (figures <= high)).float().mean()) >= 0.8
    assert float((figures - middle).abs().mean()) < float((figures - figures.mean()).abs().mean())
    assert told.thresholds is not None and told.thresholds.shape == (96, len(LEVELS))
    assert (told.interval.diff(dim=1) >= 0).all() and (low >= 0).all() and (high <= 1).all()


def test_one_example_a_label_is_told_with_a_wide_interval_and_one_alone_with_nothing() -> None:
    rows = torch.randn(1, 3, WIDTH, generator=torch.Generator().manual_seed(0))
    support = Support(full_rows(rows), Classes(torch.arange(3).view(1, 3), torch.ones(1, 3, dtype=torch.bool)))
    head = Ridge()
    with torch.no_grad():
        across = crossed(head, support, Folds.of([[1, 1, 1]]))
        signs = signs_of(support, head.predict(head.adapt(support), support.rows), across)
    assert not across.is_held.any() and signs.isfinite().all()
    assert suspects_of(support, across) == [[]]


def test_a_wrong_label_is_suspected_and_its_right_one_named() -> None:
    draw = torch.Generator().manual_seed(0)
    classes = torch.arange(3).repeat_interleave(8)
    rows = 6 * torch.eye(3, WIDTH)[classes] + torch.randn(24, WIDTH, generator=draw)
    taught = classes.clone()
    taught[4] = 2
    support = Support(full_rows(rows.unsqueeze(0)), Classes(taught.unsqueeze(0), torch.ones(1, 3, dtype=torch.bool)))
    with torch.no_grad():
        found = suspects_of(support, crossed(Ridge(), support, Folds.of([[8, 7, 9]])))[0]
    assert [(each.row, each.instead) for each in found] == [(4, 0)]
    assert 0.5 < found[0].probability <= 1


def test_curves_are_appraised_by_r2() -> None:
    head = BayesianLinear(width=1, rank=1, noises=(0.1, 0.5))

    def source(number: int) -> Asked:
        draw = torch.Generator().manual_seed(number)
        inputs = torch.rand(1, 40, 1, generator=draw)
        values = inputs + (number % 5) * 0.3 * torch.randn(1, 40, 1, generator=draw)
        support = Support(full_rows(inputs[:, :12]), Values(values[:, :12]))
        return Asked(str(number % 9), support, full_rows(inputs[:, 12:]), values[0, 12:])

    appraisal = appraised(head, "regression", source, 60, lambda done: None)
    found = [judged(head, source(100 + number)) for number in range(10)]
    with torch.no_grad():
        told = appraisal.appraise(torch.stack([each.signs for each in found]))
    assert told.thresholds is None and told.interval.shape == (10, 3)
    assert float(told.interval[0, 1]) > float(told.interval[4, 1])  # one has no noise, the other the most


def test_it_lies_beside_the_weights_that_it_was_fitted_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "vectors"
    folder.mkdir()
    for file in ("model.json", "weights.safetensors"):
        (folder / file).write_bytes((ZOO / "vectors" / file).read_bytes())
    assert not load(folder).appraisals
    write_appraisal(folder, Appraisal("classification"), {"data": "none"})
    checkpoint = load(folder)
    assert [*checkpoint.appraisals] == ["classification"]
    assert checkpoint.digest == load(ZOO / "vectors").digest  # which the appraisal does not move
    text = (folder / "model.json").read_text("utf-8")
    (folder / "model.json").write_text(text.replace('"name": "vectors"', '"name": "other"'), "utf-8")
    assert not load(folder).appraisals and "other weights" in caplog.text
    (folder / APPRAISAL).write_bytes(b"nothing")
    with pytest.raises(DamagedCheckpoint, match="appraisal"):
        load(folder)


def test_quantiles_by_weight() -> None:
    values, weights = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([1.0, 1.0, 2.0])
    assert [weighted_quantile(values, weights, level) for level in (0.2, 0.5, 0.9, 1.0)] == [1.0, 2.0, 3.0, 3.0]


def test_every_figure_of_a_task_is_known(tmp_path: Path) -> None:
    found = judged(Ridge(), pool()(3))
    assert isinstance(found, Judged) and 0 <= found.figure <= 1 and found.logs.max() <= 0
