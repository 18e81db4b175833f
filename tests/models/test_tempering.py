"""Temperatures: found where answers are too sure, left alone where they are true; and sets of labels that then hold."""

import torch
from torch import Tensor

from models.appraisal import LEVELS, Appraisal
from models.appraisal.signs import NUM_CLASS_SIGNS
from models.checkpoint import load
from models.heads.ridge import Ridge
from models.training.appraisals.fitting import appraised, appraised_by
from models.training.appraisals.judging import Judged, judged, told_by
from models.training.appraisals.tempering import Answered, temperatures
from models.training.appraise import ZOO
from tests.models.test_appraisal import pool

NUM_TASKS, NUM_QUERIES, WAYS = 200, 40, 4


def answered(excess: float) -> tuple[list[Judged], Tensor]:
    """Tasks whose logits are too large by a factor that one of their signs tells; and these factors."""
    draw = torch.Generator().manual_seed(0)
    found, factors = [], []
    for number in range(NUM_TASKS):
        signs = torch.randn(NUM_CLASS_SIGNS, generator=draw)
        signs[0] = signs[0].abs()
        true = 2 * torch.randn(NUM_QUERIES, WAYS, generator=draw)
        truth = torch.multinomial(true.softmax(-1), 1, generator=draw).squeeze(1)
        factors.append(torch.tensor(excess).pow(1 + 0.5 * signs[7].clamp(-1, 1)))
        logs = (factors[-1] * true).log_softmax(-1)
        figure = float((logs.argmax(-1) == truth).float().mean())
        found.append(Judged(str(number % 8), signs, figure, torch.zeros(33), figure, logs, truth))
    return found, torch.stack(factors)


def told(excess: float) -> tuple[Tensor | None, Tensor, list[Judged]]:
    """The temperatures of tasks left out, if any are told, and the factors."""
    found, factors = answered(excess)
    folds = [torch.arange(NUM_TASKS) % 8 % 4 == fold for fold in range(4)]
    every = torch.ones(NUM_TASKS)
    made = temperatures(found, every, folds, every.bool())
    return None if made is None else made.left_out, factors, found


def test_what_is_too_sure_is_cooled_by_as_much_as_its_signs_tell() -> None:
    left_out, factors, found = told(3.0)
    assert left_out is not None
    assert float(torch.corrcoef(torch.stack([left_out.log(), factors.log()]))[0, 1]) > 0.9
    assert float((left_out.log() - factors.log()).abs().mean()) < 0.2
    served = [told_by(each, float(own)) for each, own in zip(found, left_out, strict=True)]
    for each, other in zip(found, served, strict=True):
        assert torch.equal(each.answers.argmax(-1), other.answers.argmax(-1)) and each.figure == other.figure
    before, after = (
        abs(Answered.of(tasks, torch.ones(NUM_TASKS)).overconfidence(torch.zeros(NUM_TASKS)))
        for tasks in (found, served)
    )
    assert after < 0.01 < before


def test_an_appraisal_makes_answers_as_sure_as_right() -> None:
    found, _ = answered(3.0)
    appraisal = appraised_by("classification", found, has_temperature=True)
    with torch.no_grad():
        told = appraisal.temperature(torch.stack([each.signs for each in found])).tolist()
    served = [told_by(each, temperature) for each, temperature in zip(found, told, strict=True)]
    assert abs(Answered.of(served, torch.ones(NUM_TASKS)).overconfidence(torch.zeros(NUM_TASKS))) < 0.002


def test_what_is_as_sure_as_right_has_no_temperature() -> None:
    assert told(1.0)[0] is None


def test_sets_of_labels_hold_the_right_one_as_often_as_they_say_on_other_groups() -> None:
    head = Ridge(scale=60.0)  # surer than right
    appraisal = appraised(head, "classification", pool(groups=12), 160, lambda done: None)
    found = [judged(head, pool(seed=1, groups=12)(number)) for number in range(64)]
    with torch.no_grad():
        told = appraisal.appraise(torch.stack([each.signs for each in found]))
    assert told.thresholds is not None and float(told.temperature.mean()) > 1.5
    shares = torch.zeros(len(LEVELS))
    for each, temperature, least in zip(found, told.temperature.tolist(), told.thresholds, strict=True):
        answers = told_by(each, temperature).answers
        is_in = answers >= least.view(-1, 1, 1)
        is_in |= answers == answers.amax(-1, keepdim=True)
        right = each.truth.long().view(1, -1, 1).expand(len(LEVELS), -1, 1)
        shares += is_in.gather(2, right).float().mean((1, 2)) / len(found)
    assert (shares > torch.tensor(LEVELS) - 0.05).all() and (shares.diff() >= 0).all()


def test_appraisals_of_before_have_no_temperature() -> None:
    signs = torch.randn(5, NUM_CLASS_SIGNS, generator=torch.Generator().manual_seed(0))
    of_before = load(ZOO / "glyphs").appraisals["classification"]
    for appraisal in (Appraisal("classification"), of_before):
        assert torch.equal(appraisal.temperature(signs), torch.ones(5))
