"""Every method of the comparison: its recipe makes a learner that trains, is published and comes back."""

from pathlib import Path

import pytest
import torch

from models.checkpoint import load
from models.data.drawing import Style
from models.data.glyphs import GlyphEpisodes
from models.training.methods import METHODS, method
from models.training.objectives.multi_step import MultiStep
from models.training.objectives.reptile import Reptile
from models.training.omniglot import FRAME, QUERIES, AnyTasks, omniglot
from models.training.publish import publish
from models.training.train import Run, train
from models.training.vinyals import vinyals
from models.types import Classes
from tests.models.training import tiny


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data sets with made-up characters."""
    tiny.write_omniglot(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_and_publishes(name: str, data: Path, tmp_path: Path) -> None:
    run = omniglot(data, method=name, num_steps=1, channels=8, num_images=20)
    before = {leaf: value.clone() for leaf, value in run.learner.state_dict().items()}
    assert train(run, tmp_path / "run")
    publish(run, tmp_path / "model")
    found = load(tmp_path / "model")
    assert found.card.name == f"omniglot-{name}"
    assert any(not torch.equal(value, before[leaf].half()) for leaf, value in found.learner.half().state_dict().items())
    assert all(torch.isfinite(leaf).all() for leaf in found.learner.state_dict().values())


def test_two_methods_have_objectives_of_their_own(data: Path) -> None:
    assert isinstance(omniglot(data, method="maml-plus-plus", channels=8).objective, MultiStep)
    run = omniglot(data, method="reptile", channels=8)
    assert isinstance(run.objective, Reptile)
    assert run.stop == run.objective.is_settled


@pytest.mark.parametrize("name", ["protonet", "glyphs"])
def test_vinyals_split_is_trained_on_mixed_ways_and_says_so(name: str, data: Path) -> None:
    tiny.write_vinyals(data)
    run = vinyals(data, name, num_steps=1, channels=8)
    assert run.card.name == f"vinyals-{name}"
    assert run.card.card["part"] == "trainval"
    assert "not to be served" in run.card.card["split"]
    assert vinyals(data, "protonet", num_steps=1, channels=8, choosing=True).card.card["part"] == "train"
    assert episodes_of(run).mixed


def episodes_of(run: Run) -> GlyphEpisodes:
    found = run.batches.episodes if isinstance(run.batches, AnyTasks) else run.batches
    assert isinstance(found, GlyphEpisodes)
    return found


def test_an_unknown_method_is_named(data: Path) -> None:
    with pytest.raises(ValueError, match="there is no method 'mamal'; there are protonet"):
        method("mamal")


def test_a_shared_encoder_trains_in_bfloat16_and_nothing_else_does(data: Path, tmp_path: Path) -> None:
    run = omniglot(data, "r2d2", num_steps=1, channels=8, num_images=20, dtype="bfloat16")
    assert train(run, tmp_path / "run")
    assert all(leaf.dtype == torch.float32 and leaf.isfinite().all() for leaf in run.learner.parameters())
    for name, dtype in (("maml", "bfloat16"), ("r2d2", "float16")):
        with pytest.raises(ValueError, match=f"dtype '{dtype}' is not to be had"):
            omniglot(data, name, channels=8, dtype=dtype)


def test_ways_and_shots_vary_and_the_number_of_images_hardly() -> None:
    tasks = AnyTasks(GlyphEpisodes(tiny.omniglot(40), FRAME, Style(coarse=0.0)), num_images=60)
    sizes = set()
    for step in range(8):
        batch = tasks(step)
        assert isinstance(batch.target, Classes)
        ways = batch.target.ways.shape[1]
        shots = batch.support.rows.mask.shape[1] // ways
        assert batch.query.mask.shape[1] == ways * QUERIES
        sizes.add((ways, shots))
    assert len(sizes) > 5
    assert torch.equal(tasks(3).query.values, tasks(3).query.values)
