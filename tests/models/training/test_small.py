"""The small models: their recipes run, publish and are measured; the ones that ship are what their cards say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models.checkpoint import load
from models.training import curves, vectors
from models.training.publish import publish
from models.training.train import Run, train
from models.zoo import __path__ as zoo


@pytest.mark.parametrize("recipe", [vectors.vectors, curves.curves])
def test_a_recipe_trains_and_publishes(recipe: Callable[..., Run], tmp_path: Path) -> None:
    run = recipe(tmp_path, num_steps=3)
    before = {name: leaf.clone() for name, leaf in run.learner.state_dict().items()}
    assert train(run, tmp_path / "run")
    publish(run, tmp_path / "model")
    found = load(tmp_path / "model")
    assert found.card.name == run.card.name
    assert any(not torch.equal(leaf, before[name].half().float()) for name, leaf in found.learner.state_dict().items())


def test_the_vectors_that_ship_tell_classes_apart() -> None:
    figures = {figure.name: figure for figure in vectors.figures(load(Path(zoo[0]) / "vectors").learner, num_batches=3)}
    assert figures["5-way 5-shot"].value > 45
    assert figures["10-way 5-shot"].value > 30


def test_the_curves_that_ship_are_right_and_know_how_far() -> None:
    figures = {figure.name: figure for figure in curves.figures(load(Path(zoo[0]) / "curves").learner, num_batches=3)}
    assert figures["20-shot, squared error"].value < 20
    for shots in (5, 10, 20):
        assert 82 < figures[f"{shots}-shot, inside the 90% interval"].value < 96
