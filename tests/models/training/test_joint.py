"""Tasks learned together: what counts in the loss, what comes out as params, and that it is what is served."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import build, load
from models.data.attributes import ATTRIBUTES, attributes_of
from models.data.shared import NONE, Drawn, JointBatch, SharedRows, drawings
from models.learner import Learner
from models.training.compare import compared
from models.training.constants import fit_constants
from models.training.multitask import DRAWN, FRAME, PUPILS, joint_run, multitask
from models.training.objectives.joint import Joint
from models.training.pipeline import COST, Steps, applied, pipeline_run, steps_of
from models.training.publish import publish
from models.training.task_figures import figures_of
from models.training.train import train
from models.types import Gaussian, Logits, full_rows
from tests.models.training.tiny import omniglot

HEAD = {"name": "both", "classes": {"name": "linear_classes"}, "values": {"name": "linear_values"}}


def learner() -> Learner:
    torch.manual_seed(0)
    return build({"name": "mlp", "input_dim": 6, "widths": [8]}, HEAD)


def rows(num: int = 90) -> SharedRows:
    """Two tasks with classes and one with a number, of rows of six numbers; a third has no label in each."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(num, 6, generator=draw)
    classes = torch.stack([(inputs[:, 0] > 0).long(), (inputs[:, 1:4].argmax(1))], 1)
    values = 50 + 10 * inputs[:, 5:]
    classes[:30, 0], classes[30:60, 1], values[60:] = NONE, NONE, math.nan
    labels = {"sign": ["minus", "plus"], "largest": ["a", "b", "c"]}
    return SharedRows(JointBatch(inputs, classes, values), labels, ("size",), torch.arange(num) % 3)


def objective(model: Learner, weights: str = "fixed") -> Joint:
    return Joint(model, 8, {"sign": 2, "largest": 3}, {"size": (50.0, 10.0)}, weights)


def test_a_missing_label_counts_nothing() -> None:
    model, shared = learner(), rows()
    joint = objective(model)
    batch = shared.rows
    whole = joint.losses(model, model.encoder(batch.inputs), batch)
    known = batch.classes[:, 0] != NONE
    part = JointBatch(batch.inputs[known], batch.classes[known], batch.values[known])
    alone = joint.losses(model, model.encoder(part.inputs), part)
    torch.testing.assert_close(whole["sign"], alone["sign"])
    none = JointBatch(batch.inputs[60:], batch.classes[60:], batch.values[60:])
    assert joint.losses(model, model.encoder(none.inputs), none).keys() == {"sign", "largest"}
    assert whole["sign"].item() == pytest.approx(math.log(2))  # layers begin with zeros
    truth = (batch.values[:60] - 50) / 10
    torch.testing.assert_close(whole["size"], truth.square().mean() / 2)


@pytest.mark.parametrize("weights", ["fixed", "uncertainty", "upgrad"])
def test_it_learns_all_of_them(weights: str) -> None:
    if weights == "upgrad":
        pytest.importorskip("torchjd")
    shared, run = rows(300), joint_run(rows(300), PUPILS, {}, weights, None, 60, 64)
    assert isinstance(run.objective, Joint) and run.finish
    optimiser = torch.optim.AdamW([*run.learner.parameters(), *run.objective.parameters()], 0.02)
    for step in range(run.num_steps):
        optimiser.zero_grad()
        run.objective(run.learner, run.batches(step))
        assert all(leaf.grad is not None for leaf in run.objective.parameters() if leaf.requires_grad)
        optimiser.step()
    run.finish(run.learner)
    found = figures_of(run.learner, run.objective.tasks(), shared, "test")
    assert found["sign"] > 0.9 and found["largest"] > 0.8 and found["size"] > 0.5, found


def test_params_are_in_the_units_of_the_targets() -> None:
    model, shared = learner(), rows()
    joint = objective(model)
    with torch.no_grad():
        joint.values.kept["values_of_weight"].normal_()
    joint.settle(model, shared.rows)
    params = {leaf: value.unsqueeze(0) for leaf, value in joint.tasks()["size"].items()}
    features = full_rows(model.encoder(shared.rows.inputs).unsqueeze(0))
    scores = model.head.predict(params, features)
    assert isinstance(scores, Gaussian)
    inner = model.head.predict(joint.values.params(), features)
    assert isinstance(inner, Gaussian)
    torch.testing.assert_close(scores.mean, 50 + 10 * inner.mean)
    torch.testing.assert_close(scores.variance, 100 * inner.variance)
    assert joint.tasks()["largest"]["weight"].shape == (3, 8)


def test_what_is_trained_is_what_is_on_disk(tmp_path: Path) -> None:
    shared = drawings(omniglot(6), FRAME)
    run = replace(joint_run(shared, DRAWN, {"licence": "none"}, num_steps=3, num_rows=16), validate=None)
    train(run, tmp_path / "run")
    publish(run, tmp_path / "model")
    found = load(tmp_path / "model")
    assert found.tasks.keys() == {"first", "second", *ATTRIBUTES}
    assert run.tasks
    for name, params in run.tasks().items():
        assert all(torch.equal(found.tasks[name][leaf], value) for leaf, value in params.items())


def test_constants_of_new_tasks_are_fitted_and_the_encoder_is_not() -> None:
    run = joint_run(drawings(omniglot(8), FRAME), DRAWN, {}, num_steps=1)
    before = {name: leaf.clone() for name, leaf in run.learner.named_parameters()}
    fit_constants(run.learner, drawings(omniglot(8, seed=1), FRAME), num_steps=4)
    moved = {name for name, leaf in run.learner.named_parameters() if not torch.equal(leaf, before[name])}
    assert moved == {name for name in before if name.startswith("head.")}


def test_every_row_comes_before_any_comes_again() -> None:
    drawn = Drawn(rows(10).rows, 4)
    seen = torch.cat([drawn(step).inputs for step in range(5)])[:, 0].tolist()
    assert len(set(seen[:10])) == len(set(seen[10:])) == 10
    assert torch.equal(drawn(3).inputs, drawn(3).inputs)


def test_attributes_of_drawings() -> None:
    ring, bar = torch.zeros(2, 20, 20, dtype=torch.bool).numpy()
    ring[5:15, 5:15], ring[7:13, 7:13] = True, False
    bar[9:11, 2:18] = True
    found = dict(zip(ATTRIBUTES, attributes_of(torch.from_numpy(ring)[None].numpy())[0], strict=True))
    assert found["pieces-less-holes"] == 0 and found["aspect"] == 0
    assert found["ink"] == pytest.approx(0.64)
    assert found["crossings"] == pytest.approx((4 * 1 + 6 * 2) / 10)
    found = dict(zip(ATTRIBUTES, attributes_of(bar[None])[0], strict=True))
    assert found["pieces-less-holes"] == found["ink"] == found["crossings"] == 1
    assert found["aspect"] == pytest.approx(math.log(8))


def test_the_pipeline_pre_trains_and_then_meets_episodes() -> None:
    shared = drawings(omniglot(8), FRAME)
    run = pipeline_run(shared, "x", 4, applied(omniglot(8, seed=1), 2), 0.5)
    assert isinstance(run.batches, Steps)
    assert [isinstance(run.batches(step), JointBatch) for step in range(run.num_steps)] == [True, False, False]
    for step in range(run.num_steps):
        assert run.objective(run.learner, run.batches(step))["loss"] > 0
    scores = run.learner.encoder(shared.rows.inputs[:3])
    assert scores.shape == (3, DRAWN.width) and not isinstance(scores, Logits)


def test_rows_of_a_pipeline_cost_alike_and_seeds_differ() -> None:
    for share in (0.0, 0.3, 1.0):
        first, then = steps_of(1000, share)
        assert first * COST + then == pytest.approx(1000, abs=1)
    shared, judge = drawings(omniglot(8), FRAME), applied(omniglot(8, seed=1), 2)
    ones = [pipeline_run(shared, "x", 2, judge, 1.0, seed) for seed in (0, 1)]
    assert not torch.equal(*(run.batches(0).inputs for run in ones))
    assert not torch.equal(*(next(run.learner.parameters()) for run in ones))


def test_parts_of_a_pipeline_are_shown_beside_it(tmp_path: Path) -> None:
    shared, judge = drawings(omniglot(8), FRAME), applied(omniglot(8, seed=1), 2)
    run = pipeline_run(shared, "x", 2, judge, 0.5)
    run = replace(run, beside={"random": pipeline_run(shared, "x", 2, judge, None)})
    rows = compared(run, "both", tmp_path)
    assert [*rows] == ["random", "both"] and rows["random"].cpu_s == 0 < rows["both"].cpu_s
    assert rows["both"].figures.keys() == {"20-way 1-shot", "20-way 5-shot", "5-way 1-shot"}
    assert abs(compared(run, "both", tmp_path)["both"].cpu_s - rows["both"].cpu_s) < rows["both"].cpu_s  # not again


def test_tasks_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of drawings and of schools"):
        multitask(tmp_path, of="songs")
