"""Fisher's linear discriminant, shrunk: directions in which classes lie apart, measured in their own spread."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

SHRINKAGE = 0.5  # of the spread within classes, towards the same in every direction


def discriminant(
    rows: Float[Tensor, "B D"], label: Int64[Tensor, "B"], width: int
) -> tuple[Float[Tensor, "D"], Float[Tensor, "D O"]]:
    """A centre and `width` directions: seen so, the rows of a class spread alike in all of them, the widest first.

    It is learned from some classes and holds for others: how photographs of one thing differ is much the same for
    all things. Classes of any size count by their rows in the spread, and alike in the centre.
    """
    labels, index = torch.unique(label, return_inverse=True)
    member = F.one_hot(index).to(rows.dtype)
    means = member.mT @ rows / member.sum(0)[:, None]
    own = rows - means[index]
    spread = own.mT @ own / (len(rows) - len(labels))
    even = spread.diagonal().mean() * torch.eye(rows.shape[1], dtype=rows.dtype)
    sizes, axes = torch.linalg.eigh(torch.lerp(spread, even, SHRINKAGE))
    whitening = axes * sizes.rsqrt() @ axes.mT
    centre = means.mean(0)
    seen = (rows - centre) @ whitening
    widest = torch.linalg.eigh(seen.mT @ seen).eigenvectors.flip(1)[:, :width]
    return centre, whitening @ widest
