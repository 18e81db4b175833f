"""How the columns of a made-up table look: bent, rounded, as words, with holes, in units of their own."""

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from models.inputs.table import MISSING, NUMBER, WORD

MAX_CODE = 2**24  # codes of words are whole numbers below this, exact in single precision


def dressed(draw: Generator, values: Float[Tensor, "R L"]) -> Float[Tensor, "R L 3"]:
    """Cells, see models.inputs.table, of columns that are about standard."""
    L = values.shape[1]
    bent = _bent(draw, values)
    levels = torch.randint(2, 9, (L,), generator=draw)
    places = torch.rand(8, L, generator=draw).sort(0).values  # edges, as shares of rows
    ranks = values.argsort(0).argsort(0) / len(values)
    bins = (ranks.unsqueeze(0) > places.masked_fill(torch.arange(8).unsqueeze(1) >= levels - 1, 2).unsqueeze(1)).sum(0)
    rounded = _chosen(draw, L, 0.6)
    worded = _chosen(draw, L, 0.5)
    unit = (2 * torch.randn(L, generator=draw)).exp()
    numbers = torch.where(rounded, bins.float(), (bent + 3 * torch.randn(L, generator=draw)) * unit)
    codes = torch.randint(MAX_CODE, (2, 9, L), generator=draw).float()
    words = codes.gather(1, bins.expand(2, -1, -1))
    cells = torch.stack(
        [
            torch.where(worded, WORD, NUMBER).expand(len(values), -1).float(),
            torch.where(worded, words[0], numbers),
            torch.where(worded, words[1], 0.0),
        ],
        -1,
    )
    holes = torch.tensor([float(MISSING), 0.0, 0.0])
    return torch.where(_holes(draw, values).unsqueeze(-1), holes, cells)


def _bent(draw: Generator, values: Float[Tensor, "R L"]) -> Float[Tensor, "R L"]:
    """Most columns as they are; some stretched on one side, at both, or cut off."""
    kind = torch.randint(8, values.shape[1:], generator=draw)
    bent = torch.where(kind == 0, values.clamp(max=6).exp(), values)
    bent = torch.where(kind == 1, values.clamp(-6, 6) ** 3, bent)
    return torch.where(kind == 2, values.relu(), bent)


def _chosen(draw: Generator, columns: int, share_none: float) -> Bool[Tensor, "L"]:
    """No column in many tables, all in some, a part in the others."""
    share = torch.rand((), generator=draw)
    each = torch.rand(columns, generator=draw)
    return each < ((share - share_none) / (1 - share_none) * 1.5)


def _holes(draw: Generator, values: Float[Tensor, "R L"]) -> Bool[Tensor, "R L"]:
    """Missing cells: in some columns of a fourth of the tables, sometimes rather where values are large."""
    shares = torch.rand(values.shape[1], generator=draw) * _chosen(draw, values.shape[1], 0.75)
    slope = 2 * (torch.rand((), generator=draw) - 0.5).relu()
    drawn = torch.rand(values.shape, generator=draw)
    return (drawn - slope * values.sign() * 0.3 < shares * 0.8) & (shares > 0)
