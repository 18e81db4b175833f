"""A small residual network for glyphs (He et al. 2016), one grey channel in, one feature vector out."""

from collections.abc import Sequence

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
    """Residual blocks, then the mean over the picture. Serving uses the frozen statistics of its batch norms."""

    def __init__(self, widths: Sequence[int] = (48, 96, 192, 384)) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip((1, *widths[:-1]), widths, strict=True)))

    def forward(self, images: UInt8[Tensor, "B H W"]) -> Float[Tensor, "B D"]:
        """Features of grey pictures, ink high, 0..255."""
        pictures = images.to(next(self.parameters()).dtype) / 255
        features: Tensor = self.blocks(pictures.unsqueeze(1))
        return features.mean((2, 3))
