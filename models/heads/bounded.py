"""Logistic regression by steps under a bound of its curvature: the solver that its heads share."""

from collections.abc import Generator, Iterator
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.heads.head import mask_absent
from models.types import TaskParams

TINY = 1e-6  # a task without rows: its layer stays as it is
PAUSE = 4  # steps between two pauses
LARGE = 2**24  # multiplications of a step from which on there is a pause after each

Layer: TypeAlias = tuple[Float[Tensor, "T N D"], Float[Tensor, "T N"]]


def fit(
    rows: Float[Tensor, "T S D"],
    shares: Float[Tensor, "T S"],
    truth: Float[Tensor, "T S N"],
    offset: Float[Tensor, "T S N"],
    ways: Bool[Tensor, "T N"],
    penalty: Float[Tensor, "T 1 1"],
    num_steps: int,
    independent: Bool[Tensor, "T"] | None = None,
) -> Iterator[Layer | None]:
    """What is added to a layer with the outputs `offset`: weights and intercepts, the last; before them pauses.

    The steps go towards the minimum of cross-entropy + penalty / 2 * squared weights, summed over rows that count by
    their `shares` (none for padding). A Newton step would factor a matrix of ways times features. The curvature of
    every class is bounded by half the rows' second moments, whatever the weights are (Böhning 1992): one factor a
    task, shared by its classes and steps. Every step is then a matrix product, accelerated by momentum (Nesterov
    1983). The intercept is free. Solved in the smaller of the two spaces: a change of the weights is a mix of the rows.
    There the outputs that a step leads to are known from what it solves for, and cost no product of their own.
    """
    total, is_dual = shares.sum(1).clamp(min=TINY)[:, None, None], rows.shape[1] < rows.shape[2]
    centre = (rows * shares.unsqueeze(-1)).sum(1, keepdim=True) / total
    divisors = torch.where(shares > 0, shares, 1).sqrt().unsqueeze(-1)
    roots = divisors.masked_fill((shares <= 0).unsqueeze(-1), 0)
    felt = roots * (rows - centre)  # from the centre the intercept is apart from the weights in the bound
    is_large = felt.shape[:2].numel() * min(felt.shape[1:]) * ways.shape[1] > LARGE
    inverse = yield from _inverse(felt if is_dual else felt.mT, penalty)
    now = before = change = torch.zeros_like(truth if is_dual else felt.mT @ truth)
    bias = bias_before = now[:, :1] * 0
    move = partial(_among_rows if is_dual else _among_features, felt, inverse, penalty)
    for k in range(num_steps):
        momentum = k / (k + 3)
        ahead, bias_ahead = (new + momentum * (new - old) for new, old in ((now, before), (bias, bias_before)))
        outputs = (ahead if is_dual else felt @ ahead) / divisors
        surplus = roots * (chances(offset + outputs + bias_ahead, ways, independent) - truth)
        before, bias_before = now, bias
        (now, change), bias = move(ahead, surplus), bias_ahead - 2 / total * (roots * surplus).sum(1, keepdim=True)
        if is_large or (k + 1) % PAUSE == 0:
            yield None
    weight = (felt.mT @ change if is_dual else change).mT
    yield weight, (bias - centre @ weight.mT).squeeze(1)


def _among_rows(
    felt: Float[Tensor, "T S D"],
    inverse: Float[Tensor, "T S S"],
    penalty: Float[Tensor, "T 1 1"],
    ahead: Float[Tensor, "T S N"],
    surplus: Float[Tensor, "T S N"],
) -> tuple[Float[Tensor, "T S N"], Float[Tensor, "T S N"]]:
    """A step of the outputs, times the roots: where it leads, and the mix of the rows that has these outputs.

    The inverse is of the rows' products, half of them, and the penalty: what it makes of something tells the outputs.
    """
    wanted = ahead / 2 - surplus
    change = inverse @ wanted
    return 2 * (wanted - penalty * change), change


def _among_features(
    felt: Float[Tensor, "T S D"],
    inverse: Float[Tensor, "T D D"],
    penalty: Float[Tensor, "T 1 1"],
    ahead: Float[Tensor, "T D N"],
    surplus: Float[Tensor, "T S N"],
) -> tuple[Float[Tensor, "T D N"], Float[Tensor, "T D N"]]:
    """A step of the weights, which are both."""
    change = ahead - inverse @ (felt.mT @ surplus + penalty * ahead)
    return change, change


def added(start: TaskParams, layer: Layer) -> TaskParams:
    """The layer that it leads to from there."""
    return {leaf: start[leaf] + more for leaf, more in zip(("weight", "bias"), layer, strict=True)}


def chances(
    outputs: Float[Tensor, "T R N"], ways: Bool[Tensor, "T N"], independent: Bool[Tensor, "T"] | None
) -> Float[Tensor, "T R N"]:
    """The probability of each label: of one among all, or of each by itself; none for ways a task does not have."""
    shared = mask_absent(outputs, ways).softmax(-1)
    if independent is None:
        return shared
    return torch.where(independent[:, None, None], outputs.sigmoid() * ways.unsqueeze(1), shared)


def _inverse(
    felt: Float[Tensor, "T K J"], penalty: Float[Tensor, "T 1 1"]
) -> Generator[None, None, Float[Tensor, "T K K"]]:
    """Of the bound on the curvature; the plain Cholesky would wait for the device to check for errors."""
    yield
    bound = felt @ felt.mT / 2 + penalty * torch.eye(felt.shape[1], device=felt.device)
    yield
    factor = torch.linalg.cholesky_ex(bound).L
    yield
    inverse: Tensor = torch.cholesky_inverse(factor)
    yield
    return inverse
