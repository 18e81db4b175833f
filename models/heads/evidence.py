"""Ways to tell from the support which class a row is of, all of them attention of rows to the support's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.heads.cells import NUM_GAPS

PRODUCTS = (0.25, 1.0, 4.0, 1.0)  # how fast likeness falls off with distance, to begin with
NUM_PRODUCTS = len(PRODUCTS)
NUM_SUMS = 2  # of each sort
NUM_KERNELS = NUM_PRODUCTS + 2 * NUM_SUMS  # likeness in all columns at once; sums over columns, linear or of likeness
NUM_EVIDENCE = NUM_KERNELS + NUM_PRODUCTS + 1
SPLITS = (NUM_PRODUCTS * NUM_GAPS, NUM_SUMS * 3, NUM_SUMS, 1)  # of products, linear sums, sums of likeness, naive
NUM_WEIGHTS = sum(SPLITS)  # a column
TINY = 1e-6


@dataclass(frozen=True)
class Attention:
    """Rows beside the support: kernels, whose products are `nearness` before the exponential; likeness by column."""

    kernels: Float[Tensor, "T R S K"]
    nearness: Float[Tensor, "T R S P"]
    alike: Float[Tensor, "T R S L"]


def attention(
    gaps: Sequence[Float[Tensor, "T R S L"]],
    products: Sequence[Float[Tensor, "T R S L"]],
    weights: Float[Tensor, "T L W"],
) -> Attention:
    """How alike rows are, by the weights of the columns."""
    by_gap, linear, sums, _ = torch.split(weights, list(SPLITS), -1)
    nearness = -_summed(gaps, by_gap.reshape(*by_gap.shape[:2], NUM_PRODUCTS, NUM_GAPS))
    straight = _summed([*products, 1 - gaps[3]], linear.reshape(*linear.shape[:2], NUM_SUMS, 3))
    alike = (-gaps[2] - 30 * gaps[3]).exp()
    return Attention(torch.cat([nearness.exp(), straight, alike @ sums.unsqueeze(1)], -1), nearness, alike)


def _summed(parts: Sequence[Float[Tensor, "T R S L"]], weights: Float[Tensor, "T L K E"]) -> Float[Tensor, "T R S K"]:
    """The sum over columns and parts."""
    return torch.stack([part @ weights[..., e].unsqueeze(1) for e, part in enumerate(parts)]).sum(0)


def fitted(
    kernels: Float[Tensor, "T S S K"],
    members: Float[Tensor, "T S N"],
    mask: Bool[Tensor, "T S"],
    noise: Float[Tensor, "T K"],
) -> tuple[Float[Tensor, "T K S N"], Float[Tensor, "T S N K"]]:
    """Kernel ridge on class indicators less their mean: the values that rows attend to, and each row left out."""
    both = (mask.unsqueeze(1) & mask.unsqueeze(2)).double()
    eye = torch.eye(mask.shape[1], dtype=torch.float64, device=mask.device)
    gram = kernels.double().permute(0, 3, 1, 2) * both.unsqueeze(1)
    factor = torch.linalg.cholesky_ex(gram + noise.double()[..., None, None] * eye).L
    inverse = torch.cholesky_solve(eye.expand_as(gram), factor)
    centred = (members - centre(members, mask)) * mask.unsqueeze(-1)
    values = inverse @ centred.double().unsqueeze(1)
    diagonal = inverse.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    left_out = centred.unsqueeze(1) - values / diagonal
    return values.float(), left_out.permute(0, 2, 3, 1).float()


def centre(members: Float[Tensor, "T S N"], mask: Bool[Tensor, "T S"]) -> Float[Tensor, "T 1 N"]:
    """The share of each class."""
    return members.sum(1, keepdim=True) / mask.sum(1)[:, None, None]


def gathered(
    found: Attention, members: Float[Tensor, "T S N"], naive: Float[Tensor, "T L"], alone: Bool[Tensor, "R S"] | None
) -> Float[Tensor, "T R N E"]:
    """Log of the mean likeness to a class's rows: in all columns at once, a product each, and column by column.

    `alone` says which row of the support is which, and is left out.
    """
    nearness, alike = found.nearness, found.alike
    if alone is not None:
        nearness = nearness.masked_fill(alone.unsqueeze(-1), -torch.inf)
        alike = alike.masked_fill(alone.unsqueeze(-1), 0)
    kept = members.unsqueeze(1) if alone is None else members.unsqueeze(1) * ~alone.unsqueeze(-1)
    count = kept.sum(2)
    whole = nearness.exp().transpose(2, 3) @ kept  # T R P N
    everywhere = whole.sum(-1, keepdim=True) / count.sum(-1)[:, :, None, None].clamp(min=1)
    dense = ((whole + 0.2 * everywhere + TINY) / (count.unsqueeze(2) + 0.2)).log()
    by_column = alike.transpose(2, 3) @ kept  # T R L N
    anywhere = by_column.sum(-1, keepdim=True) / count.sum(-1)[:, :, None, None].clamp(min=1)
    share = ((by_column + anywhere + TINY) / (count.unsqueeze(2) + 1)).log()
    summed = naive[:, None, None] @ (share - (anywhere + TINY).log())
    return torch.cat([dense, summed], 2).transpose(2, 3)
