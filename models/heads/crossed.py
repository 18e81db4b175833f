"""Cross-validation of a support: its folds are more tasks of the same batch, adapted by the very head that serves."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from models.heads.head import Head
from models.heads.held_out import folds_of, members_of, order_key, places_of, repeated, rows_again, without
from models.types import Either, Gaussian, Logits, Scores, Support, Values

MAX_FOLDS = 5
MAX_NUMBERS = 1_000_000  # of a support's folds that are adapted at once


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
        parts = without(repeated(support, together), (folds == some.view(-1, 1, 1)).flatten(0, 1))
        params = begin = head.start(parts)
        for params in head.steps(parts, begin):  # noqa: B007 - the last one is the answer
            yield
        found.append(head.predict(params, rows_again(support.rows, together)))
        done += together
    return Crossed(_own(found, folds), folds >= 0)


def _folds(support: Support, most_folds: int) -> Int64[Tensor, "T S"]:
    """The fold of each row; the order of the support plays no part."""
    mask = support.rows.mask
    members = mask.unsqueeze(-1).float() if isinstance(support.target, Values) else members_of(support)
    shots = members.sum(1).amax(-1).long().clamp(min=1, max=most_folds)
    places = places_of(order_key(support.rows.values.flatten(2).float()), members)
    return folds_of(places, members, support.names, shots.unsqueeze(1))


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
