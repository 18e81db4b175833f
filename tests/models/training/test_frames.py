"""The recipe of frames: texts of like lengths together, and a delta that is added once."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.checkpoint import build
from models.encoders.words import Words
from models.heads.frames import Frames
from models.training.frames import bolder, pooled
from tests.models.tasks import word_task

WORDS: dict[str, Any] = {
    "base": None,
    "sizes": [9000, 32, 64],
    "base_heads": 2,
    "cut": 1,
    "last": 2,
    "features": 8,
    "plain": 4,
}


@pytest.fixture
def rows() -> Tensor:
    return torch.cat([(task := word_task(0)).support, task.query])


@pytest.fixture
def encoder() -> Words:
    torch.manual_seed(0)
    encoder = Words(**WORDS, rank=2).eval()
    for leaf in encoder.upper.parameters():
        torch.nn.init.normal_(leaf, std=0.1)
    return encoder


def test_texts_in_pieces_are_pooled_as_they_are_together(encoder: Words, rows: Tensor) -> None:
    packed = encoder.frozen(rows)
    assert len(set(packed.any(-1).sum(1).tolist())) > 1
    torch.testing.assert_close(pooled(encoder, packed), encoder.pooled(packed), atol=0.1, rtol=0)


def test_a_fused_delta_answers_alike(encoder: Words, rows: Tensor) -> None:
    plain = Words(**WORDS).eval()
    plain.load_state_dict(encoder.state_dict(), strict=False)
    before = encoder(rows)
    assert (before - plain(rows)).abs().max() > 0.01
    encoder.fuse()
    torch.testing.assert_close(encoder(rows), before, atol=1e-5, rtol=0)


def test_slots_score_higher_at_the_end() -> None:
    learner = build({"name": "words", **WORDS}, {"name": "frames", "width": 8})
    assert isinstance(learner.head, Frames)
    before = learner.head.gate.detach().clone()
    bolder(learner)
    assert (learner.head.gate - before)[2] > 0
