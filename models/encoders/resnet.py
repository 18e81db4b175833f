"""A small residual network for glyphs (He et al. 2016), one grey channel in, one feature vector out."""

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from models.encoders.onednn import PackedConv, serves


class Block(nn.Module):
    """Two 3x3 convolutions that halve the picture, beside a 1x1 shortcut."""

    packed: tuple[PackedConv, PackedConv, PackedConv] | None = None

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_in, num_out, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(num_out)
        self.second = nn.Conv2d(num_out, num_out, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(num_out)
        self.shortcut = nn.Conv2d(num_in, num_out, 1, stride=2, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(num_out)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """Half the height and width, `num_out` channels."""
        if self.packed is not None and not self.training and serves(x):
            first, second, shortcut = self.packed
            return second.added(first(x, "relu"), shortcut(x))
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut_norm(self.shortcut(x)))

    def pack(self) -> None:
        """Keep it packed too, see models.encoders.onednn; before it is rounded."""
        if self.packed is None:
            self.packed = (
                PackedConv.of(self.first, self.first_norm),
                PackedConv.of(self.second, self.second_norm),
                PackedConv.of(self.shortcut, self.shortcut_norm),
            )


class ResNet(nn.Module):
    """Residual blocks, then the mean over the picture. Serving uses the frozen statistics of its batch norms.

    Served, and not trained, it may look at a picture several times, turned by each of `views_deg`, and answer the mean.
    With `root` the served features are square roots, so that no single large one decides (Perronnin et al. 2010).
    """

    def __init__(
        self, widths: Sequence[int] = (48, 96, 192, 384), views_deg: Sequence[float] = (), root: bool = False
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip((1, *widths[:-1]), widths, strict=True)))
        self.views_deg = tuple(views_deg)
        self.root = root

    def forward(self, images: UInt8[Tensor, "B H W"]) -> Float[Tensor, "B D"]:
        """Features of grey pictures, ink high, 0..255."""
        dtype = next(self.parameters()).dtype
        pictures = (images / 255).unsqueeze(1)
        if self.training:
            return self._mean(pictures.to(dtype))
        features = self._mean(self._views(pictures).to(dtype))
        views = features.view(max(1, len(self.views_deg)), len(images), features.shape[1]).mean(0)
        return views.sqrt() if self.root else views

    def _mean(self, pictures: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B D"]:
        features: Tensor = self.blocks(pictures)
        return features.mean((2, 3))

    def _views(self, pictures: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "V 1 H W"]:
        """The pictures turned by each angle, all in one batch; as they are, when there are no angles, or none."""
        if not self.views_deg or not len(pictures):
            return pictures
        size = pictures.shape[2:]
        grid = _turned(self.views_deg, tuple(size), pictures.device)
        planes = pictures.transpose(0, 1).expand(len(grid), -1, -1, -1)  # channels: where to look is found once for all
        return F.grid_sample(planes, grid, align_corners=False).reshape(-1, 1, *size)


@lru_cache(16)  # it costs more than looking at a picture there
def _turned(views_deg: tuple[float, ...], size: tuple[int, int], device: torch.device) -> Float[Tensor, "V H W 2"]:
    """Where in a picture of this size each pixel of each view lies."""
    angles = torch.tensor(views_deg, device=device).deg2rad()
    turns = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], 1).view(-1, 2, 2)
    return F.affine_grid(F.pad(turns, (0, 1)), [len(turns), 1, *size], False)
