"""The chain over words: its best tags are valid and the best there are, its probabilities are true ones."""

from itertools import pairwise, product

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chain import FF, FIRST, FL, FO, LF, LL, LO, NEVER, OF, OO, OUT, best, calibrated, certainty, spans
from models.heads.frames import log_likelihood
from models.types import Logits, Tagged

MOVE = {(0, 0): OO, (0, 1): OF, (1, 0): FO, (1, 1): FF, (1, 2): FL, (2, 0): LO, (2, 1): LF, (2, 2): LL}


def kind(tag: int) -> int:
    return 0 if tag == 0 else 2 - tag % 2


def is_valid(tags: tuple[int, ...]) -> bool:
    return all(kind(tag) != 2 or before in (tag, tag - 1) for before, tag in zip((0, *tags), tags, strict=False))


def weight(tags: tuple[int, ...], scores: np.ndarray, moves: np.ndarray) -> float:
    total = moves[FIRST if tags[0] else OUT] + scores[0, tags[0]]
    for word in range(1, len(tags)):
        total += moves[MOVE[kind(tags[word - 1]), kind(tags[word])]] + scores[word, tags[word]]
    return float(total)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 2))
def test_it_agrees_with_trying_every_sequence(seed: int, length: int, num_slots: int) -> None:
    draw = np.random.default_rng(seed)
    scores, moves = draw.normal(size=(1, 5, 2 * num_slots + 1)), draw.normal(size=10)
    valid = [tags for tags in product(range(2 * num_slots + 1), repeat=length) if is_valid(tags)]
    weights = np.array([weight(tags, scores[0], moves) for tags in valid])
    found = best(scores, moves, np.array([length]))
    assert tuple(found[0, :length]) == valid[weights.argmax()]
    assert not found[0, length:].any()
    chances = np.exp(weights - np.logaddexp.reduce(weights))
    sure = certainty(scores, moves, np.array([length]), found)
    for slot, first, stop in spans(found[0], length):
        same = [chance for tags, chance in zip(valid, chances, strict=True) if (slot, first, stop) in spans_of(tags)]
        np.testing.assert_allclose(sure[0, first], sum(same), rtol=1e-4)


def spans_of(tags: tuple[int, ...]) -> list[tuple[int, int, int]]:
    return spans(np.array(tags), len(tags))


def test_what_training_maximises_is_the_logarithm_of_the_same_probability() -> None:
    draw = torch.Generator().manual_seed(0)
    words, moves = torch.randn(1, 2, 4, 5, generator=draw), torch.randn(1, 10, generator=draw)
    lengths, tags = torch.tensor([[4, 3]]), torch.tensor([[[0, 1, 2, 3], [3, 4, 0, 0]]])
    scores = Tagged(Logits(torch.zeros(1, 2, 2)), words, lengths, moves, torch.ones(1, 2, 3))
    for query, (length, said) in enumerate(zip([4, 3], log_likelihood(scores, tags)[0].tolist(), strict=True)):
        valid = [each for each in product(range(5), repeat=length) if is_valid(each)]
        weights = [weight(each, words[0, query].numpy(), moves[0].numpy()) for each in valid]
        own = weight(tuple(tags[0, query, :length].tolist()), words[0, query].numpy(), moves[0].numpy())
        np.testing.assert_allclose(said, own - np.logaddexp.reduce(weights), rtol=1e-4)


def test_trust_moves_the_odds_of_each_slot_by_its_words() -> None:
    tags, sure = np.array([[1, 2, 0, 3], [3, 0, 0, 0]]), np.array([[0.5, 0, 0, 0.8], [1, 0, 0, 0]], np.float32)
    found = calibrated(sure, tags, np.array([[1.0, 0, np.log(3) / np.log(2)], [0.5, np.log(2), 7]]))
    np.testing.assert_allclose(found[0], [0.75, 0, 0, 0.8], rtol=1e-6)  # odds 1 -> 3; 4 -> 2 -> 4, of one word
    assert 0.99 < found[1, 0] < 1
    np.testing.assert_allclose(calibrated(sure, tags, np.array([[1.0, 0, 0]] * 2)), sure, atol=1e-6)


@given(st.integers(0, 10_000))
def test_whatever_the_scores_are_slots_are_whole(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.choice([0.0, 5.0, -50.0, NEVER], size=(3, 7, 9))
    scores[..., 0] = draw.choice([0.0, 5.0, -50.0], size=(3, 7))  # outside of slots is always possible
    lengths = draw.integers(1, 8, size=3)
    for tags, length in zip(best(scores, draw.normal(size=10) * 9, lengths), lengths.tolist(), strict=True):
        assert is_valid(tuple(tags[:length].tolist()))
        found = spans(tags, length)
        assert all(first < stop <= length for _, first, stop in found)
        assert all(one[2] <= other[1] for one, other in pairwise(found))
