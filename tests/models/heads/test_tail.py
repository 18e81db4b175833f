"""The tail: what adapting an encoder's last layers is worth, and when it is left alone."""

import torch
from torch import nn
from torch.func import functional_call

from models.encoders.identity import Identity
from models.heads.held_out import best_of, folds_of, order_key, places_of
from models.heads.low_rank import make_adaptable
from models.heads.ridge import Ridge
from models.heads.tail import LAYERS, Tail
from models.learner import Learner
from models.rules import RULES
from tests.models.laws import answers
from tests.models.tasks import Task, support_of, vector_task


def tail(**options: object) -> Tail:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    rule = lambda shapes: RULES["novograd"](shapes, rate=0.02)  # noqa: E731
    sizes = {"num_steps": 20, "every": 10, "num_folds": 2, "rank": 4}
    return Tail(body, Ridge(), 4, rule, **sizes | options).eval()  # type: ignore[arg-type]


def hidden_task(seed: int) -> Task:
    """Two classes that differ by the sign of one column out of eight, which few features carry."""
    draw = torch.Generator().manual_seed(seed)

    def rows(num: int) -> tuple[torch.Tensor, torch.Tensor]:
        values, labels = 2 * torch.randn(num, 8, generator=draw), torch.arange(num) % 2
        values[:, 0] = (0.5 + values[:, 0].abs()) * (2 * labels - 1)
        return values, labels

    return Task(*rows(60), *rows(200))


def test_it_learns_what_the_frozen_layers_hide() -> None:
    tasks = [hidden_task(seed) for seed in range(3)]
    right = {}
    for name, margin in (("head", 1e9), ("tail", 1.0)):
        scores = answers(Learner(Identity(), tail(margin=margin)), tasks)
        hits = [each.argmax(1) == task.answers for each, task in zip(scores, tasks, strict=True)]
        right[name] = float(torch.cat(hits).float().mean())
    assert right["tail"] > right["head"] + 0.05


def test_one_example_a_label_leaves_the_layers_alone() -> None:
    params = tail().adapt(support_of([vector_task(1, shots=1, dim=8)]))
    assert not params[LAYERS].any()


def test_it_pauses_after_every_piece() -> None:
    head, support = tail(piece_rows=2, num_steps=1), support_of([vector_task(1, ways=2, shots=4, dim=8)])
    assert sum(1 for _ in head.steps(support, head.start(support))) > 4 * 3


def test_low_rank_changes_of_a_convolution_are_those_of_its_matrix() -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(3, 5, 1)
    body = nn.Sequential(first, nn.Conv2d(5, 5, 3, padding=1, groups=5))
    maps = torch.randn(2, 3, 4, 4)
    assert make_adaptable(body, rank=2) == {"0.up": (2, 5)}
    up, down = torch.randn(2, 2, 5), body[0].get_buffer("down")
    changed = functional_call(body, {"0.up": up}, (maps,))
    for row in range(2):
        weight = first.weight + (down @ up[row]).T[:, :, None, None]
        expected = body[1](nn.functional.conv2d(maps[[row]], weight, first.bias))
        torch.testing.assert_close(changed[[row]], expected)


def test_rows_take_turns_by_what_they_hold_and_the_only_one_of_a_label_stays() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [1.0, 1.0]]])
    members = torch.eye(2)[torch.tensor([[0, 0, 0, 1]])]
    places = places_of(order_key(features), members)
    assert sorted(places[0, :3].tolist()) == [0, 1, 2]
    moved = [2, 0, 1, 3]
    assert torch.equal(places[:, moved], places_of(order_key(features[:, moved]), members[:, moved]))
    assert folds_of(places, members, None, 2)[0, 3] == -1


def test_a_choice_must_be_better_than_chance_explains_and_not_more_often_wrong() -> None:
    held, right = torch.ones(1, 8, dtype=torch.bool), torch.ones(2, 1, 8, dtype=torch.bool)
    steady, lucky = torch.full((8,), 0.9), torch.tensor([0.0, 2, 0, 2, 0, 2, 0, 1.2])
    less_often = right.clone()
    less_often[1, 0, 0] = False
    for losses, hits, best in ((steady, right, 1), (lucky, right, 0), (steady, less_often, 0)):
        choices = torch.stack([torch.ones(8), losses])[:, None, None]
        assert best_of(choices.expand(2, 3, 1, 8), hits, held, margin=1.0).tolist() == [best]
