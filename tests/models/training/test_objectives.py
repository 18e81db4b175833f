"""Objectives on one tiny network: what they put into .grad, by hand."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.checkpoint import build
from models.data.episodes import Batch, full_batch
from models.learner import Learner
from models.training.objectives.episodic import Metrics, episodic, score_loss
from models.training.objectives.multi_step import MultiStep, step_weights
from models.training.objectives.reptile import Reptile
from models.types import Classes, Logits, MultiHot

NUM_PARAMS = 6 * 8 + 8  # of the body


def learner(num_steps: int = 2, **options: Any) -> Learner:
    torch.manual_seed(0)
    body = {"name": "mlp", "input_dim": 6, "widths": [8]}
    head = {"body": body, "width": 8, "rule": {"name": "sgd", "rate": 0.3}, "num_steps": num_steps}
    return build({"name": "identity"}, {"name": "gradient", **head, **options})


def batch(num_tasks: int = 3) -> Batch:
    draw = torch.Generator().manual_seed(1)
    centres = 2 * torch.randn(num_tasks, 3, 1, 6, generator=draw)
    rows = centres + 0.5 * torch.randn(num_tasks, 3, 5, 6, generator=draw)
    return full_batch(rows[:, :, :2], rows[:, :, 2:])


def gradients(objective: Callable[[Learner, Batch], Metrics], model: Learner) -> dict[str, torch.Tensor]:
    model.zero_grad()
    objective(model, batch())
    return {name: leaf.grad.clone() for name, leaf in model.named_parameters() if leaf.grad is not None}


def test_reptile_goes_from_the_start_to_the_mean_of_the_adapted() -> None:
    model, objective = learner(), Reptile(NUM_PARAMS)
    found = gradients(objective, model)
    with torch.inference_mode():
        adapted = model.adapt(batch().support)
    body = dict(model.head.named_parameters())
    assert found.keys() == {f"head.{name}" for name in body if name.startswith("body.")}
    for name in found:
        leaf = name.removeprefix("head.")
        torch.testing.assert_close(found[name], body[leaf].detach() - adapted[leaf].mean(0))
    length = torch.stack([leaf.norm() for leaf in found.values()]).norm()
    torch.testing.assert_close(objective.power, length.square() / 200)


def test_reptile_lowers_the_loss_of_the_queries() -> None:
    model, objective = learner(), Reptile(NUM_PARAMS)
    optimiser = torch.optim.SGD([leaf for leaf in model.parameters() if leaf.requires_grad], 0.5)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        losses.append(objective(model, batch())["loss"])
        optimiser.step()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_reptile_stops_when_gaps_have_no_common_direction(common: float) -> None:
    objective, draw = Reptile(num_params=50, window=20), torch.Generator().manual_seed(0)
    for step in range(100):
        assert not (step < 60 and objective.is_settled())
        gap = torch.randn(1, 50, generator=draw) + common
        objective._note({"leaf": gap}, {"leaf": torch.zeros_like(gap)})
    assert objective.is_settled() == (not common)
    again = Reptile(num_params=50, window=20)
    again.load_state_dict(objective.state_dict())
    assert again.is_settled() == objective.is_settled()


def test_steps_weigh_alike_first_and_the_last_alone_in_the_end() -> None:
    assert step_weights(4, 1.0) == [0.25] * 4
    assert step_weights(4, 0.0) == [0.0, 0.0, 0.0, 1.0]
    assert sum(step_weights(5, 0.3)) == pytest.approx(1)


def test_the_multi_step_loss_is_the_mean_over_steps_and_ends_as_the_episodic_one() -> None:
    objective = MultiStep(num_anneal=1)
    mixed, last = (gradients(objective, learner(num_steps=2)) for _ in range(2))
    one, two = (gradients(episodic, learner(num_steps=n)) for n in (1, 2))
    for name in mixed:
        torch.testing.assert_close(mixed[name], (one[name] + two[name]) / 2)
        torch.testing.assert_close(last[name], two[name])


def test_first_order_gradients_need_only_the_switch() -> None:
    second, first = learner(), learner(first_order=True)
    assert episodic(first, batch())["loss"] == episodic(second, batch())["loss"]
    leaf, other = (next(model.head.parameters()).grad for model in (first, second))
    assert leaf is not None and other is not None
    assert not torch.allclose(leaf, other)


def test_queries_of_no_label_teach_what_is_unknown_and_nothing_else() -> None:
    ways = torch.ones(1, 2, dtype=torch.bool)
    values, unknown = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]), torch.tensor([[-1.0, 3.0]])
    loss = score_loss(Logits(values, unknown=unknown), Classes(torch.tensor([[0, -1]]), ways))
    by_hand = math.log1p(math.exp(-2)) + (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2
    assert loss.item() == pytest.approx(by_hand)


def test_each_label_of_several_is_judged_by_itself() -> None:
    ways = torch.ones(1, 2, dtype=torch.bool)
    scores = Logits(torch.tensor([[[2.0, 0.0], [-1.0, 1.0]]]), independent=torch.tensor([True]))
    loss = score_loss(scores, MultiHot(torch.tensor([[[True, False], [False, True]]]), ways))
    assert loss.item() == pytest.approx((math.log1p(math.exp(-2)) + math.log(2) + 2 * math.log1p(math.exp(-1))) / 4)
