"""What can be told of a table and its columns: how large it is, and how columns hang together with the classes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from models.heads.cells import NUM_GAPS, Cells, Columns

NUM_TRAITS = 2 + 3 * NUM_GAPS + 2  # of a column
NUM_SIZES = 5  # of a task


def sizes_of(members: Float[Tensor, "T S N"], ways: Bool[Tensor, "T N"], columns: Columns) -> Float[Tensor, "T Z"]:
    """How large a task is."""
    counts = members.sum(1)
    fewest = counts.masked_fill(~ways, torch.inf).amin(1)
    num_columns = columns.present.sum(1).clamp(min=1)
    worded = (columns.worded & columns.present).sum(1) / num_columns
    logs = [counts.sum(1).log(), ways.sum(1).float().log(), num_columns.float().log(), fewest.log1p()]
    return torch.stack([*(log - 2 for log in logs), worded], -1)


class Sums:
    """How far rows are apart in each column, summed over all pairs of a task, and over those of one class."""

    def __init__(self, members: Float[Tensor, "T S N"], mask: Bool[Tensor, "T S"]) -> None:
        others = ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        self._pairs = (mask.unsqueeze(1) & mask.unsqueeze(2) & others).float()
        self._same = (members @ members.mT) * self._pairs
        self.num_pairs, self.num_same = (chosen.sum((1, 2))[:, None, None] for chosen in (self._pairs, self._same))
        self.pairs: Tensor | float = 0.0
        self.same: Tensor | float = 0.0

    def add(self, apart: Sequence[Float[Tensor, "T R S L"]], rows: slice) -> None:
        """Those of some rows with all."""
        self.pairs = self.pairs + _total(apart, self._pairs[:, rows])
        self.same = self.same + _total(apart, self._same[:, rows])


def _total(apart: Sequence[Float[Tensor, "T R S L"]], chosen: Float[Tensor, "T R S"]) -> Float[Tensor, "T L 4"]:
    return torch.stack([torch.einsum("trs,trsl->tl", chosen, part) for part in apart], -1)


def traits_of(sums: Sums, cells: Cells, mask: Bool[Tensor, "T S"], columns: Columns) -> Float[Tensor, "T L F"]:
    """Of each column: what it is, how far rows are apart in it, and how much less rows of one class are."""
    everywhere = sums.pairs / sums.num_pairs.clamp(min=1)
    near = (sums.same + everywhere) / (sums.num_same + 1)
    far = (sums.pairs - sums.same + everywhere) / (sums.num_pairs - sums.num_same + 1)
    ratio = ((far + 1e-2) / (near + 1e-2)).log()
    strength = (far - near) / (everywhere + 1e-2) * mask.sum(1)[:, None, None].sqrt()
    by_gap = torch.cat([everywhere, ratio, 0.3 * strength], -1)
    hole = (cells.missing & mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    tails = cells.standard.pow(4).mul(mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True) / 10
    shared = _shared(cells, mask, columns)
    return torch.cat([by_gap, torch.stack([columns.worded.float(), hole, tails, shared], -1)], -1)


def _shared(cells: Cells, mask: Bool[Tensor, "T S"], columns: Columns) -> Float[Tensor, "T L"]:
    """How much of a column others repeat: its mean squared correlation with them."""
    rows = F.normalize(cells.quantile * mask.unsqueeze(-1), dim=1)
    squared = (rows.mT @ rows).square().sum(-1) / columns.present.sum(1, keepdim=True).clamp(min=1)
    return squared * 3
