"""Cross-validation of a support: its folds are more tasks of the same batch, adapted by the very head that serves."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from models.heads.head import Head
from models.heads.held_out import folds_of, members_of, order_key
from models.types import Either, Gaussian, Logits, Rows, Scores, Support, Tags, Target, Values

MAX_FOLDS = 5
MAX_NUMBERS = 4_000_000  # of a support's folds that are adapted at once


@dataclass(frozen=True)
class Crossed:
    """Scores of every support row by params that were adapted without it, and of which rows there are any."""

    scores: Scores
    is_held: Bool[Tensor, "T S"]


def num_folds(most_shots: Sequence[int]) -> int:
    """How many folds a batch needs; known on the host, so that nothing waits for the device."""
    return max(2, min(MAX_FOLDS, max(most_shots)))


def cross(head: Head, support: Support, most_folds: int) -> Generator[None, None, Crossed]:
    """Each row's scores under its own fold; a task has as many folds as its largest label has rows, at most so many.

    A row that is alone with its label is in no fold, nor is the name of a label.
    """
    folds, done = _folds(support, most_folds), 0
    found: list[Scores] = []
    while done < most_folds:
        together = max(1, min(most_folds - done, MAX_NUMBERS // max(1, support.rows.values.numel())))
        some = torch.arange(done, done + together, device=folds.device)
        parts = _without(support, folds, some)
        params = begin = head.start(parts)
        for params in head.steps(parts, begin):  # noqa: B007 - the last one is the answer
            yield
        found.append(head.predict(params, _repeated(support.rows, together)))
        done += together
    return Crossed(_own(found, folds), folds >= 0)


def _folds(support: Support, most_folds: int) -> Int64[Tensor, "T S"]:
    """The fold of each row; the order of the support plays no part."""
    mask = support.rows.mask
    members = mask.unsqueeze(-1).float() if isinstance(support.target, Values) else members_of(support)
    shots = members.sum(1).amax(-1).long().clamp(min=1, max=most_folds)
    folds = folds_of(_places(support.rows, members), members, support.names, 1_000_000)
    return torch.where(folds >= 0, folds % shots.unsqueeze(1), folds)


def _places(rows: Rows, members: Float[Tensor, "T S N"]) -> Int64[Tensor, "T S"]:
    """How many rows of the same label come before each, in an order that only what they hold decides."""
    order = order_key(rows.values.flatten(2).float()).argsort(stable=True, dim=1)
    own = members.take_along_dim(order.unsqueeze(-1), 1)
    before = ((own.cumsum(1) - 1) * own).sum(-1).long()
    return torch.zeros_like(before).scatter(1, order, before)


def _without(support: Support, folds: Int64[Tensor, "T S"], some: Int64[Tensor, "K"]) -> Support:
    """A task for each of these folds, fold by fold, without its rows: they are masked and stay where they are."""
    rows, num = _repeated(support.rows, len(some)), len(some)
    is_out = (folds == some.view(-1, 1, 1)).flatten(0, 1)
    if isinstance(support.target, Tags):
        raise TypeError("frames are not crossed")
    leaves = {name: _again(leaf, num) for name, leaf in vars(support.target).items()}
    target: Target = type(support.target)(**leaves)
    names = None if support.names is None else _again(support.names, num)
    return Support(replace(rows, mask=rows.mask & ~is_out), target, names)


def _repeated(rows: Rows, num: int) -> Rows:
    """The rows of all tasks so many times, one after another."""
    T, S = rows.mask.shape
    starts = torch.arange(num, device=rows.index.device).unsqueeze(1) * (T * S)
    inner = None if rows.inner is None else _again(rows.inner, num)
    return Rows(_again(rows.values, num), _again(rows.mask, num), (starts + rows.index).flatten(), inner)


def _again(leaf: Tensor, num: int) -> Tensor:
    return leaf.unsqueeze(0).expand(num, *leaf.shape).flatten(0, 1)


def _own(found: Sequence[Scores], folds: Int64[Tensor, "T S"]) -> Scores:
    """Of the scores under each fold those under the row's own."""
    T, fold = len(folds), folds.clamp(min=0)[None, :, :, None]

    def pick(parts: list[Tensor]) -> Tensor:
        whole = torch.cat([part.view(-1, T, *part.shape[1:]) for part in parts])
        return whole.take_along_dim(fold, 0).squeeze(0)

    if isinstance(found[0], Gaussian):
        gaussians = [each for each in found if isinstance(each, Gaussian)]
        return Gaussian(pick([each.mean for each in gaussians]), pick([each.variance for each in gaussians]))
    if isinstance(found[0], Either):
        eithers = [each for each in found if isinstance(each, Either)]
        logits, values = (_own(parts, folds) for parts in zip(*((e.logits, e.values) for e in eithers), strict=True))
        assert isinstance(logits, Logits) and isinstance(values, Gaussian)
        return Either(logits, values)
    all_logits = [each for each in found if isinstance(each, Logits)]
    independent = all_logits[0].independent
    return Logits(pick([each.values for each in all_logits]), None if independent is None else independent[:T])


def crossed(head: Head, support: Support, most_folds: int) -> Crossed:
    """All of `cross` at once, where nothing else waits."""
    steps = cross(head, support, most_folds)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Crossed = done.value
            return found
