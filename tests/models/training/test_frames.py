"""The recipe of frames: texts of like lengths together, and a delta that is added once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.card import Card
from models.checkpoint import build, load, save
from models.encoders.words import Words
from models.heads.frames import Frames
from models.learner import Learner
from models.training.frames import TRUST, bolder, finished, pooled
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


@pytest.fixture
def learner() -> Learner:
    return build({"name": "words", **WORDS}, {"name": "frames", "width": 8})


def test_slots_score_higher_at_the_end(learner: Learner) -> None:
    assert isinstance(learner.head, Frames)
    before = learner.head.gate.detach().clone()
    bolder(learner)
    assert (learner.head.gate - before)[2] > 0


def test_how_sure_to_be_is_part_of_what_is_saved(learner: Learner, tmp_path: Path) -> None:
    finished(learner)
    encoder, head = {"name": "words", **WORDS}, {"name": "frames", "width": 8}
    card = Card("frames", "text", ("frames",), {"name": "frame"}, encoder, head, "2026-11-23T00:00:00Z")
    save(tmp_path, learner, card)
    found = load(tmp_path).learner.head
    assert isinstance(found, Frames)
    torch.testing.assert_close(found.trust, torch.tensor(TRUST))
    assert found.trust.any()
