"""Companions: made of a model that is loaded, and what they have of it."""

from dataclasses import replace

import pytest
import torch

from models.card import DamagedCheckpoint
from models.effort import companion, with_companions
from models.encoders.identity import Identity
from models.learner import Learner
from tests.models.divided import DIM, OPTIONS, both, divided
from tests.models.laws import answers
from tests.models.tasks import vector_task


def test_a_companion_is_named_after_its_model_and_tells_of_it() -> None:
    base, high = both()
    assert high.card.name == "small-high"
    assert high.card.card == {"companion_of": base.digest}
    assert high.card.head["head"] == base.card.head


def test_its_digest_moves_with_the_model_and_with_the_options() -> None:
    _, high = both()
    _, other = both(OPTIONS | {"num_steps": 3})
    newer = companion(replace(divided(), digest="e" * 64), OPTIONS)
    assert len({high.digest, other.digest, newer.digest}) == 3
    assert high.digest == both()[1].digest


def test_where_no_step_is_better_the_answer_is_the_models_own() -> None:
    base, high = both(OPTIONS | {"margin": 1e9})
    tasks = [vector_task(seed, dim=DIM) for seed in range(3)]
    for plain, adapted in zip(answers(base.learner, tasks), answers(high.learner, tasks), strict=True):
        torch.testing.assert_close(plain, adapted)


def test_the_model_itself_stays_as_it_was() -> None:
    task = vector_task(1, dim=DIM)
    alone = answers(divided().learner, [task])[0]
    assert torch.equal(alone, answers(both()[0].learner, [task])[0])


def test_what_asks_for_no_effort_has_no_companion() -> None:
    base = divided()
    plain = replace(base, card=replace(base.card, card={}))
    assert list(with_companions(iter([plain]))) == [plain]


def test_a_card_that_asks_for_what_cannot_be_made_is_damaged() -> None:
    whole = replace(divided(), learner=Learner(Identity(), divided().learner.head))
    for base, options in ((whole, OPTIONS), (divided(), {"rule": {"name": "none"}}), (divided(), OPTIONS | {"x": 1})):
        with pytest.raises(DamagedCheckpoint):
            companion(base, options)
