"""Logistic regression by steps under a bound of its curvature: the solver that its heads share."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.heads.head import mask_absent

TINY = 1e-6  # a task without rows: its layer stays as it is
PAUSE = 4  # steps between two layers that are handed out
LARGE = 2**24  # multiplications of a step from which on each is handed out, and before them the first layer


def fit(
    rows: Float[Tensor, "T S D"],
    shares: Float[Tensor, "T S"],
    truth: Float[Tensor, "T S N"],
    offset: Float[Tensor, "T S N"],
    ways: Bool[Tensor, "T N"],
    penalty: Float[Tensor, "T 1 1"],
    num_steps: int,
    independent: Bool[Tensor, "T"] | None = None,
) -> Iterator[tuple[Float[Tensor, "T N D"], Float[Tensor, "T N"]]]:
    """What is added to a layer with the outputs `offset`: weights and intercepts, after every fourth step, or each.

    The steps go towards the minimum of cross-entropy + penalty / 2 * squared weights, summed over rows that count by
    their `shares` (none for padding). A Newton step would factor a matrix of ways times features. The curvature of
    every class is bounded by half the rows' second moments, whatever the weights are (Böhning 1992): one factor a
    task, shared by its classes and steps. Every step is then a matrix product, accelerated by momentum (Nesterov
    1983). The intercept is free. Solved in the smaller of the two spaces: a change of the weights is a mix of the rows.
    """
    total, is_dual = shares.sum(1).clamp(min=TINY)[:, None, None], rows.shape[1] < rows.shape[2]
    centre = (rows * shares.unsqueeze(-1)).sum(1, keepdim=True) / total
    roots = torch.where(shares > 0, shares, 1).sqrt().masked_fill(shares <= 0, 0).unsqueeze(-1)
    rows = rows - centre  # then the intercept is apart from the weights in the bound
    felt = roots * rows
    seen = rows @ felt.mT if is_dual else rows
    inverse = _inverse(felt @ felt.mT if is_dual else felt.mT @ felt, penalty)
    change = before = rows.new_zeros((len(rows), seen.shape[2], ways.shape[1]))
    bias = bias_before = change[:, :1] * 0
    is_large = seen.numel() * ways.shape[1] > LARGE
    if is_large:
        yield rows.new_zeros((*ways.shape, rows.shape[2])), bias.squeeze(1)
    for k in range(num_steps):
        momentum = k / (k + 3)
        ahead, bias_ahead = (now + momentum * (now - then) for now, then in ((change, before), (bias, bias_before)))
        surplus = roots * (chances(offset + seen @ ahead + bias_ahead, ways, independent) - truth)
        push = surplus if is_dual else felt.mT @ surplus
        before, change = change, ahead - inverse @ (push + penalty * ahead)
        bias_before, bias = bias, bias_ahead - 2 / total * (roots * surplus).sum(1, keepdim=True)
        if is_large or (k + 1) % PAUSE == 0 or k + 1 == num_steps:
            weight = (felt.mT @ change if is_dual else change).mT
            yield weight, (bias - centre @ weight.mT).squeeze(1)


def chances(
    outputs: Float[Tensor, "T R N"], ways: Bool[Tensor, "T N"], independent: Bool[Tensor, "T"] | None
) -> Float[Tensor, "T R N"]:
    """The probability of each label: of one among all, or of each by itself; none for ways a task does not have."""
    shared = mask_absent(outputs, ways).softmax(-1)
    if independent is None:
        return shared
    return torch.where(independent[:, None, None], outputs.sigmoid() * ways.unsqueeze(1), shared)


def _inverse(gram: Float[Tensor, "T K K"], penalty: Float[Tensor, "T 1 1"]) -> Float[Tensor, "T K K"]:
    """Of the bound on the curvature; the plain Cholesky would wait for the device to check for errors."""
    bound = gram / 2 + penalty * torch.eye(gram.shape[-1], device=gram.device)
    inverse: Tensor = torch.cholesky_inverse(torch.linalg.cholesky_ex(bound).L)
    return inverse
