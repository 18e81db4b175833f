"""What is learned from other tasks: where they tell something of the new one, and only there."""

import pytest
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from models.heads import HEADS
from models.heads.head import Head
from models.pauses import at_once
from models.transfer import Lesson, choose, support_of
from models.types import Gaussian, Logits, Rows

DIM, WAYS = 24, 5
CLASSIFIERS: dict[str, dict[str, object]] = {
    "prototypical": {},
    "ridge": {},
    "logistic": {},
    "prior_logistic": {},
    "amortised": {"width": DIM},
}
REGRESSORS: dict[str, dict[str, object]] = {
    "bayesian_linear": {"width": DIM, "rank": DIM, "noises": [0.05, 0.3]},
    "alpaca": {"width": DIM, "rank": DIM + 1},
}


def drawn(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def centres(seed: int) -> Float[Tensor, "N D"]:
    return torch.randn(WAYS, DIM, generator=drawn(seed))


def lesson(of: Float[Tensor, "N D"], shots: int, seed: int) -> Lesson:
    """Rows scattered round the centres of classes."""
    target = torch.arange(len(of)).repeat(shots)
    return Lesson(of[target] + 1.6 * torch.randn(len(target), DIM, generator=drawn(seed)), target)


def values(weight: Float[Tensor, "D 1"], rows: int, seed: int) -> Lesson:
    """Rows and a linear map of them."""
    made = torch.randn(rows, DIM, generator=drawn(seed))
    return Lesson(made, made @ weight + 0.05 * torch.randn(rows, 1, generator=drawn(seed + 1)))


def made(name: str, options: dict[str, object]) -> Head:
    torch.manual_seed(0)
    return HEADS[name](**options).requires_grad_(False)


def chosen(head: Head, own: Lesson, others: list[Lesson], num_ways: int = WAYS) -> list[int]:
    return at_once(choose(head, own, others, num_ways))


def queried(lessons: Lesson) -> Rows:
    support = support_of(lessons, WAYS)
    return support.rows


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_tasks_of_the_same_labels_are_learned_from_and_others_are_not(name: str) -> None:
    head, mine = made(name, CLASSIFIERS[name]), centres(0)
    own, related, mixed_up = lesson(mine, 1, 1), lesson(mine, 6, 2), lesson(mine.roll(1, 0), 6, 3)
    assert chosen(head, own, [mixed_up, related]) == [1]
    assert chosen(head, own, [mixed_up]) == []
    asked = lesson(mine, 20, 9)
    alone, taught = (
        head.predict(head.adapt(support_of(each, WAYS)), queried(asked)) for each in (own, own.with_others([related]))
    )
    assert isinstance(alone, Logits) and isinstance(taught, Logits)
    right = [(scores.values[0].argmax(-1) == asked.target).float().mean() for scores in (alone, taught)]
    assert right[1] > right[0] + 0.03


@pytest.mark.parametrize("name", REGRESSORS)
def test_the_posterior_of_one_regression_is_the_prior_of_the_next(name: str) -> None:
    head = made(name, REGRESSORS[name])
    weight = torch.randn(DIM, 1, generator=drawn(5))
    own, related, other = values(weight, 3, 1), values(weight, 30, 3), values(-weight, 30, 7)
    assert chosen(head, own, [other, related], 0) == [1]
    assert chosen(head, own, [other], 0) == []
    one_by_one = head.adapt(support_of(own, 0), head.adapt(support_of(related, 0)))
    together = head.adapt(support_of(own.with_others([related]), 0))
    asked = support_of(values(weight, 8, 11), 0).rows
    one, both = (head.predict(params, asked) for params in (one_by_one, together))
    assert isinstance(one, Gaussian) and isinstance(both, Gaussian)
    torch.testing.assert_close(one.mean, both.mean, rtol=1e-3, atol=1e-3)


def test_a_thousandfold_unit_of_the_targets_changes_no_choice() -> None:
    head, weight = made("bayesian_linear", REGRESSORS["bayesian_linear"]), torch.randn(DIM, 1, generator=drawn(5))
    lessons = [values(weight, 3, 1), values(-weight, 30, 7), values(weight, 30, 3)]
    scaled = [Lesson(each.rows, 1000 * each.target) for each in lessons]
    assert chosen(head, scaled[0], scaled[1:], 0) == chosen(head, lessons[0], lessons[1:], 0) == [1]


def test_names_of_labels_are_no_evidence_and_stay() -> None:
    head, mine = made("prior_logistic", {}), centres(0)
    own, related = lesson(mine, 2, 1), lesson(mine, 6, 2)
    named = Lesson(own.rows, own.target, torch.arange(len(own.rows)) < WAYS)
    assert chosen(head, named, [related]) == [0]
    joined = named.with_others([related])
    assert joined.names is not None and joined.names.sum() == WAYS and len(joined.names) == len(joined.rows)
    only = Lesson(own.rows, own.target, torch.ones(len(own.rows), dtype=torch.bool))
    assert chosen(head, only, [related]) == []


@pytest.mark.parametrize("shots", [1, 2, 3])
def test_what_is_unrelated_is_hardly_ever_learned_from(shots: int) -> None:
    head = made("prototypical", {})
    found = [
        chosen(
            head, lesson(centres(seed), shots, seed + 50), [lesson(centres(seed + 100 * n), 5, n) for n in (1, 2, 3)]
        )
        for seed in range(40)
    ]
    assert sum(map(bool, found)) <= len(found) / 10  # one in ten is what the doubt allows
