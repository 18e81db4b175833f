"""Cells of tables in the units of their columns, which the support alone decides; and how far apart two rows are.

A cell is three numbers, see models.inputs.table: its kind, and a number or the code of a text in two parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.inputs.table import MISSING, NUMBER, WORD

CLIP = 3.0  # standard deviations, softly
NUM_GAPS = 4


@dataclass(frozen=True)
class Cells:
    """Rows in the units of the support: standardised, as normal quantiles, and what is no number by its code.

    Standardised numbers and quantiles are zero where a cell holds no number, or its column holds words.
    """

    standard: Float[Tensor, "T R L"]
    quantile: Float[Tensor, "T R L"]
    code: Float[Tensor, "T R L 3"]
    missing: Bool[Tensor, "T R L"]

    def cut(self, rows: slice) -> "Cells":
        """Some of the rows."""
        parts = (self.standard, self.quantile, self.code, self.missing)
        return Cells(*(part[:, rows] for part in parts))

    @classmethod
    def joined(cls, each: Sequence["Cells"]) -> "Cells":
        """Cuts of rows, one after another."""
        parts = ([getattr(one, name) for one in each] for name in ("standard", "quantile", "code", "missing"))
        return cls(*(torch.cat(part, 1) for part in parts))


@dataclass(frozen=True)
class Columns:
    """What columns are: there at all, and of words (one word makes a column one)."""

    present: Bool[Tensor, "T L"]
    worded: Bool[Tensor, "T L"]


def columns_of(support: Float[Tensor, "T S L 3"], mask: Bool[Tensor, "T S"]) -> Columns:
    """The columns of a task."""
    kinds = support[..., 0] * mask.unsqueeze(-1)
    return Columns((kinds > 0).any(1), (kinds == WORD).any(1))


def cells_of(rows: Float[Tensor, "T R L 3"], support: Float[Tensor, "T S L 3"], mask: Bool[Tensor, "T S"]) -> Cells:
    """Rows, the support's own or queries, in the units of the support."""
    worded = columns_of(support, mask).worded.unsqueeze(1)
    known = (support[..., 0] == NUMBER) & mask.unsqueeze(-1) & ~worded
    own, theirs = _numbers(rows), _numbers(support)
    count = known.sum(1, keepdim=True)
    mean = (theirs * known).sum(1, keepdim=True) / count.clamp(min=1)
    spread = (((theirs - mean) * known).square().sum(1, keepdim=True) / count.clamp(min=1)).sqrt()
    plain = ((own - mean) / torch.where(spread > 1e-12 * mean.abs(), spread, torch.inf)).float()
    others, one = torch.where(known, theirs, torch.nan).unsqueeze(1), own.unsqueeze(2)  # what is not known is neither
    smaller = (others < one).sum(2) + (others <= one).sum(2)
    share = (smaller.float() / 2 + 0.5) / (count + 1)
    absent = (rows[..., 0] != NUMBER) | worded
    return Cells(
        (CLIP * (plain / CLIP).tanh()).masked_fill(absent, 0),
        torch.special.ndtri(share).masked_fill(absent, 0),
        rows,
        rows[..., 0] <= MISSING,
    )


def gaps(rows: Cells, support: Cells, worded: Bool[Tensor, "T L"]) -> tuple[Float[Tensor, "T R S L"], ...]:
    """How far apart rows are in each column: numbers squared, quantiles squared and plain, and whether they differ.

    Words differ or do not; numbers differ in this sense where one of two is missing.
    """
    standard = (rows.standard.unsqueeze(2) - support.standard.unsqueeze(1)).square()
    quantile = (rows.quantile.unsqueeze(2) - support.quantile.unsqueeze(1)).abs()
    other = (rows.code.unsqueeze(2) != support.code.unsqueeze(1)).any(-1)
    unlike = rows.missing.unsqueeze(2) != support.missing.unsqueeze(1)
    differ = torch.where(worded[:, None, None], other, unlike).float()
    return standard, quantile.square(), quantile, differ


def products(rows: Cells, support: Cells) -> tuple[Float[Tensor, "T R S L"], ...]:
    """Cells of rows times those of the support: as numbers, and as quantiles."""
    pairs = ((rows.standard, support.standard), (rows.quantile, support.quantile))
    return tuple(one.unsqueeze(2) * other.unsqueeze(1) for one, other in pairs)


def _numbers(cells: Float[Tensor, "T R L 3"]) -> Float[Tensor, "T R L"]:
    """Both parts of numbers; zero where there is none."""
    both = cells[..., 1].double() + cells[..., 2].double()
    return both * (cells[..., 0] == NUMBER)
