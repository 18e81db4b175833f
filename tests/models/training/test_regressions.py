"""The recipes of regressions whose answer is known: they train, publish, and freeze what they say."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from models.checkpoint import load
from models.training.linear import LEARNED, linear
from models.training.publish import publish
from models.training.sinusoid import WAYS, sinusoid
from models.training.train import Run, train


@pytest.mark.parametrize("recipe", [linear, *(partial(sinusoid, method=method) for method in WAYS)])
def test_a_recipe_trains_and_publishes(recipe: Callable[..., Run], tmp_path: Path) -> None:
    run = recipe(tmp_path, num_steps=2)
    assert train(run, tmp_path / "run")
    publish(run, tmp_path / "model")
    assert load(tmp_path / "model").card.name == run.card.name


@pytest.mark.parametrize("learned", LEARNED)
def test_what_is_not_learned_stays_as_it_was_drawn(learned: str, tmp_path: Path) -> None:
    run = linear(tmp_path, learned, num_steps=2)
    before = {name: leaf.clone() for name, leaf in run.learner.state_dict().items()}
    if learned != "neither":
        train(run, tmp_path / "run")
    moved = {name.partition(".")[0] for name, leaf in run.learner.state_dict().items() if not leaf.equal(before[name])}
    assert moved == {"both": {"encoder", "head"}, "features": {"encoder"}, "head": {"head"}, "neither": set()}[learned]


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="alpaca"):
        sinusoid(Path(), method="mamal")
    with pytest.raises(ValueError, match="features"):
        linear(Path(), learned="all")


def test_in_one_process_runs_are_alike() -> None:
    first, second = (sinusoid(Path()).learner.state_dict() for _ in range(2))
    assert all(torch.equal(leaf, second[name]) for name, leaf in first.items())
