"""Temperatures by which probabilities are true (Guo et al. 2017), a task each: fitted to queries that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from models.appraisal import Appraisal
from models.appraisal.appraisal import HOTTEST
from models.training.appraisals.judging import Judged

MAX_QUERIES = 60  # of a task
DECAY = 0.003  # the price of what is learned of the signs
LEAST_GAIN = 0.01  # of the log-loss on groups left out: below, there is no temperature
MAX_STEPS = 40
NUM_HALVES = 20
NEVER = -1e4  # a logit, finite so that its gradient is


@dataclass(frozen=True)
class Answered:
    """Signs of tasks, and log-probabilities of some of their queries, padded; each group weighs the same."""

    signs: Float[Tensor, "T F"]
    logs: Float[Tensor, "T Q N"]
    truth: Int64[Tensor, "T Q"]
    share: Float[Tensor, "T Q"]  # of a query in all of them

    @classmethod
    def of(cls, tasks: Sequence[Judged], weights: Float[Tensor, "T"]) -> "Answered":
        """At most so many queries of each task, as far apart as may be."""
        most = max(each.answers.shape[1] for each in tasks)
        logs = torch.full((len(tasks), MAX_QUERIES, most), NEVER)
        truth, share = torch.zeros(len(tasks), MAX_QUERIES, dtype=torch.int64), torch.zeros(len(tasks), MAX_QUERIES)
        for row, each in enumerate(tasks):
            num = min(MAX_QUERIES, len(each.truth))
            kept = torch.linspace(0, len(each.truth) - 1, num).round().long()
            logs[row, :num, : each.answers.shape[1]] = each.answers[kept].clamp(min=NEVER)
            truth[row, :num], share[row, :num] = each.truth[kept].long(), weights[row] / num
        return cls(torch.stack([each.signs for each in tasks]), logs, truth, share / share.sum())

    def only(self, rows: Bool[Tensor, "T"]) -> "Answered":
        """These tasks alone."""
        return Answered(*(leaf[rows] for leaf in vars(self).values()))

    def loss(self, log: Float[Tensor, "T"]) -> Float[Tensor, ""]:
        """The mean of minus the log-probability of right labels at temperatures."""
        logs = (self.logs / log.exp()[:, None, None]).log_softmax(-1)
        return -(logs.gather(-1, self.truth.unsqueeze(-1)).squeeze(-1) * self.share).sum() / self.share.sum()

    def overconfidence(self, log: Float[Tensor, "T"]) -> float:
        """How much surer than right their answers are in the mean."""
        sure, best = (self.logs / log.exp()[:, None, None]).softmax(-1).max(-1)
        return float(((sure - (best == self.truth).float()) * self.share).sum())


@dataclass(frozen=True)
class Temperatures:
    """An appraisal that tells temperatures and nothing else; and each task's by another, fitted without its fold."""

    appraisal: Appraisal
    left_out: Float[Tensor, "T"]


def temperatures(
    found: Sequence[Judged], weights: Float[Tensor, "T"], folds: Sequence[Bool[Tensor, "T"]], is_told: Bool[Tensor, "T"]
) -> Temperatures | None:
    """Temperatures by the signs of tasks; none where they do not pay on folds of tasks left out.

    In the mean over tasks of about as many shots, those that they are told by, answers are made as sure as right.
    """
    appraisal, answered = Appraisal("classification"), Answered.of(found, weights)
    appraisal.mean.copy_(answered.signs.mean(0))
    appraisal.spread.copy_(answered.signs.std(0).clamp(min=0.05))
    log, which = torch.zeros(len(found)), appraisal.bins(answered.signs)
    for mine in folds:
        _fit(appraisal, answered.only(~mine))
        log[mine] = appraisal.temperature(answered.signs[mine]).log().detach()
    for number in set(which[is_told].tolist()):
        mine = which == number
        level = _level(answered.only(mine & is_told), log[mine & is_told])
        log[mine] += level
        appraisal.warmth[number] = level
    told = answered.only(is_told)
    if told.loss(log[is_told]) > (1 - LEAST_GAIN) * told.loss(torch.zeros(len(told.logs))):
        return None
    _fit(appraisal, answered)
    return Temperatures(appraisal, log.exp())


@torch.enable_grad()
def _fit(appraisal: Appraisal, answered: Answered) -> None:
    """The line from signs to the log of a temperature, by the log-loss."""
    heat = appraisal.heat
    units = appraisal.units(answered.signs)
    for leaf in heat.parameters():
        torch.nn.init.zeros_(leaf)
    optimiser = torch.optim.LBFGS(heat.parameters(), max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = answered.loss(heat(units).squeeze(1)) + DECAY * heat.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]


def _level(answered: Answered, log: Float[Tensor, "T"]) -> float:
    """What is to be added so that answers are as sure as right in the mean, by bisection."""
    low, high = -HOTTEST, HOTTEST
    for _ in range(NUM_HALVES):
        middle = (low + high) / 2
        low, high = (middle, high) if answered.overconfidence(log + middle) > 0 else (low, middle)
    return (low + high) / 2
