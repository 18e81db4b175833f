"""Frames: texts that show every slot and no text too many; tasks of one intent; how sure answers are."""

import itertools
from collections import Counter

import numpy as np
import torch

from benchmarks.frames.choosing import variants
from benchmarks.frames.methods import Answers, logistic, nearest
from benchmarks.frames.sets import Content, minimum_including
from benchmarks.frames.tally import shown, tally
from benchmarks.frames.trust import Said, compared, told
from models.data.frames import FrameSet
from models.encoders.words import NUM_LOOKS
from models.training.frames import SET_AT_END
from models.types import Tags

WIDTH, WORDS, TEXTS = 8, 4, 24


def content() -> Content:
    """Texts of two intents whose second word is a slot of one of two kinds, told by its features."""
    draw = torch.Generator().manual_seed(0)
    kinds = torch.arange(TEXTS) // 2 % 2
    features = torch.randn(TEXTS, 1 + WORDS, 2 * WIDTH + NUM_LOOKS, generator=draw)
    features[:, 2, : 2 * WIDTH] = 0
    features[:, 2, :2] = torch.nn.functional.one_hot(kinds, 2)
    slots = torch.zeros(TEXTS, 1 + WORDS, dtype=torch.int64)
    slots[:, 1] = 2 * kinds + 1
    frames = FrameSet(features, torch.arange(TEXTS) % 2, slots, ["a", "b"], [[0, 1]])
    is_shown = np.arange(TEXTS) < TEXTS // 2
    return Content(frames, frames, is_shown, ~is_shown, "made up", ("even", "odd"))


def test_each_slot_is_shown_so_often_and_no_text_could_be_left_out() -> None:
    draw = np.random.default_rng(0)
    texts = [Counter(draw.choice(6, draw.integers(4), p=[0.4, 0.2, 0.2, 0.1, 0.08, 0.02]).tolist()) for _ in range(200)]
    for shots in (1, 5):
        chosen = minimum_including(texts, shots, np.random.default_rng(1))
        held = sum((texts[place] for place in chosen), Counter())
        wanted = {slot: min(shots, num) for slot, num in sum(texts, Counter()).items()}
        assert all(held[slot] >= num for slot, num in wanted.items())
        for place in chosen:
            assert any(held[slot] - texts[place][slot] < num for slot, num in wanted.items())


def test_tasks_of_one_intent_show_both_slots_and_are_answered() -> None:
    own, plain = content().episode(1, 2, 0)
    assert plain.query.mask.shape[1] == TEXTS // 4
    assert own.support.rows.mask.shape[1] == 4
    for answer in (nearest, logistic):
        found = tally(plain, answer(plain))
        assert found.counts[0] == found.counts[5] and found.counts[4] == found.counts[2] == 6


def test_answers_are_calibrated_where_they_are_as_sure_as_right() -> None:
    _, plain = content().draw(2, 0, None)
    assert isinstance(plain.target, Tags)
    right = nearest(plain)
    length = right.tags.shape[1]
    sure = np.ones(len(right.intents)), np.full((len(right.intents), length), 0.25)
    found = tally(
        plain, Answers(plain.target.intents.index[0].numpy(), plain.target.words[0, :, :length].numpy(), *sure)
    )
    cells = shown([found])
    assert cells == ["100.0 ± 0.0", "100.0 ± 0.0", "100.0 ± 0.0", "0.0", "75.0"]
    assert shown([tally(plain, right)])[-2:] == ["-", "-"]


def test_one_constant_moves_at_a_time() -> None:
    (_, first), (_, none), *others = variants()
    assert first == SET_AT_END and not any(none.values())
    assert all(len([name for name in each if each[name] != first[name]]) == 1 for _, each in others)


def test_trust_is_found_by_those_that_came_true() -> None:
    draw, num = np.random.default_rng(0), 12_000
    number, domain, shots = (draw.choice(few, num).astype(float) for few in ([0, 1], [0, 1], [1, 5, 10]))
    sure, shown, words = draw.random(num), 1 + 9 * draw.random(num), 1 + draw.integers(3, size=num)
    said = Said(number, domain, shots, sure, shown, words.astype(float), np.zeros(num))
    true = np.array([[-0.2, 0.3], [-0.5, 0.5], [1.0, 0.0]])
    said = said._replace(right=(draw.random(num) < told(said, true)).astype(float))
    rows, found = compared(said)
    np.testing.assert_allclose(found, true, atol=0.2)
    before, *others = ([float(cell) for cell in row[1:]] for row in rows)
    assert min(before) > 8 > 5 > max(itertools.chain(*others))
