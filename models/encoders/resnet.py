"""A small residual network for glyphs (He et al. 2016), one grey channel in, one feature vector out."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions that halve the picture, beside a 1x1 shortcut."""

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
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.shortcut_norm(self.shortcut(x)))


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
        self.register_buffer("views_deg", torch.tensor(views_deg), persistent=False)
        self.views_deg: Tensor
        self.root = root

    def forward(self, images: UInt8[Tensor, "B H W"]) -> Float[Tensor, "B D"]:
        """Features of grey pictures, ink high, 0..255."""
        dtype = next(self.parameters()).dtype
        pictures = (images / 255).unsqueeze(1)
        if self.training:
            return self._mean(pictures.to(dtype))
        views = torch.stack([self._mean(view.to(dtype)) for view in self._views(pictures)]).mean(0)
        return views.sqrt() if self.root else views

    def _mean(self, pictures: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B D"]:
        features: Tensor = self.blocks(pictures)
        return features.mean((2, 3))

    def _views(self, pictures: Float[Tensor, "B 1 H W"]) -> Iterator[Float[Tensor, "B 1 H W"]]:
        """The pictures turned by each angle; as they are, when there are no angles."""
        if not len(self.views_deg):
            yield pictures
        angles = self.views_deg.float().deg2rad()  # of few digits, exact in any type that the weights may be cast to
        turns = torch.stack([angles.cos(), -angles.sin(), angles.sin(), angles.cos()], 1).view(-1, 2, 2)
        for turn in F.pad(turns, (0, 1)):
            grid = F.affine_grid(turn.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False)
            yield F.grid_sample(pictures, grid, align_corners=False)
