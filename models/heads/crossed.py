"""Cross-validation of a support: its folds are more tasks of the same batch, adapted by the very head that serves."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from models.heads.head import Head
from models.heads.held_out import folds_of, members_of, order_key, picked, picked_rows, places_of
from models.pauses import at_once, in_turn
from models.types import Gaussian, Logits, Rows, Scores, Support, TaskParams, Values, full_rows

Held: TypeAlias = Generator[None, None, Logits | Gaussian]
Abreast: TypeAlias = Callable[[Sequence[Held]], Generator[None, None, list[Logits | Gaussian]]]

MAX_FOLDS = 5
MAX_NUMBERS = 1_000_000  # of a support's folds that are adapted at once
MAX_WORK = 2**23  # numbers of params times rows of each task that are answered at once


@dataclass(frozen=True)
class Crossed:
    """Scores of every support row by params that were adapted without it, and of which rows there are any."""

    scores: Scores
    is_held: Bool[Tensor, "T S"]


@dataclass(frozen=True)
class Folds:
    """How many folds a batch needs, and rows the largest; known on the host, so that nothing waits for the device."""

    num: int
    most_kept: int
    most_held: int

    @classmethod
    def of(cls, shots: Sequence[Sequence[int]], num_names: Sequence[int] = ()) -> "Folds":
        """For tasks with so many rows of each label, of which so many in all are names; of a regression, of rows."""
        nums = [max(1, min(MAX_FOLDS, max(own))) for own in shots]
        num = max(2, *nums)
        held = [[rows for rows in own if rows > 1] for own in shots]
        most_held = max(sum(-(-rows // each) for rows in own) for own, each in zip(held, nums, strict=True))
        least_held = [sum(rows // each for rows in own) for own, each in zip(held, nums, strict=True)]
        names = num_names or [0] * len(shots)  # a name is in no fold
        is_left_out = [num == each for each in nums]  # in the last of the folds too
        most_kept = max(
            sum(own) - is_all * max(0, least - name)
            for own, is_all, least, name in zip(shots, is_left_out, least_held, names, strict=True)
        )
        return cls(num, most_kept, max(1, most_held))


def cross(head: Head, support: Support, folds: Folds, abreast: Abreast = in_turn) -> Generator[None, None, Crossed]:
    """Each row's scores under its own fold; a task has as many folds as its largest label has rows, at most so many.

    A row that is alone with its label is in no fold, nor is the name of a label. Folds that are too large to be adapted
    at once may go on `abreast`.
    """
    fold_of = _folds(support, folds.num)
    together = max(1, min(folds.num, MAX_NUMBERS // max(1, support.rows.values.numel())))
    parts = torch.split(torch.arange(folds.num, device=fold_of.device), together)
    found = yield from abreast([_held(head, support, folds, fold_of, some) for some in parts])
    return Crossed(_own(found, fold_of), fold_of >= 0)


def _held(head: Head, support: Support, folds: Folds, fold_of: Int64[Tensor, "T S"], some: Int64[Tensor, "K"]) -> Held:
    """Scores of the rows of some folds by params that were adapted without them."""
    is_out = (fold_of == some.view(-1, 1, 1)).flatten(0, 1)
    tasks = torch.arange(len(fold_of), device=fold_of.device).repeat(len(some))
    kept = picked(support, tasks, ~is_out, folds.most_kept)
    params = begin = head.start(kept)
    for params in head.steps(kept, begin):  # noqa: B007 - the last one is the answer
        yield
    held, _ = picked_rows(support.rows, tasks, is_out, folds.most_held)
    return (yield from answered(head, params, held))


def answered(head: Head, params: TaskParams, rows: Rows) -> Held:
    """The scores of all rows, padding too, some after others: a step never takes long."""
    num, found = max(1, MAX_WORK // max(1, sum(leaf.numel() for leaf in params.values()))), []
    for first in range(0, rows.mask.shape[1], num):
        inner = None if rows.inner is None else rows.inner[:, first : first + num]
        part = full_rows(rows.values[:, first : first + num])
        found.append(head.predict(params, Rows(part.values, part.mask, part.index, inner)))
        yield
    return _joined(found, 1)


def _folds(support: Support, most_folds: int) -> Int64[Tensor, "T S"]:
    """The fold of each row; the order of the support plays no part."""
    mask = support.rows.mask
    members = mask.unsqueeze(-1).float() if isinstance(support.target, Values) else members_of(support)
    shots = members.sum(1).amax(-1).long().clamp(min=1, max=most_folds)
    places = places_of(order_key(support.rows.values.flatten(2).float()), members)
    return folds_of(places, members, support.names, shots.unsqueeze(1))


def _own(found: Sequence[Scores], folds: Int64[Tensor, "T S"]) -> Scores:
    """Of the scores of each fold's rows those of every row of the support, in its place."""
    scores, fold = _joined(found, 0), folds.clamp(min=0)
    leaf = scores.values if isinstance(scores, Logits) else scores.mean
    is_mine = folds == torch.arange(len(leaf) // len(folds), device=folds.device).view(-1, 1, 1)
    rank = (is_mine.cumsum(2) - 1).take_along_dim(fold.unsqueeze(0), 0).squeeze(0).clamp(0, leaf.shape[1] - 1)
    task = fold * len(folds) + torch.arange(len(folds), device=folds.device).unsqueeze(1)
    if isinstance(scores, Gaussian):
        return Gaussian(scores.mean[task, rank], scores.variance[task, rank])
    return Logits(scores.values[task, rank])


def _joined(found: Sequence[Scores], axis: int) -> Logits | Gaussian:
    """Scores of more tasks (0) or more rows (1) in one."""
    gaussians = [each for each in found if isinstance(each, Gaussian)]
    if gaussians:
        mean, variance = (torch.cat([getattr(each, leaf) for each in gaussians], axis) for leaf in ("mean", "variance"))
        return Gaussian(mean, variance)
    return Logits(torch.cat([each.values for each in found if isinstance(each, Logits)], axis))


def crossed(head: Head, support: Support, folds: Folds) -> Crossed:
    """All of `cross` at once, where nothing else waits."""
    return at_once(cross(head, support, folds))
