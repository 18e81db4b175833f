"""Conv-4, the field's standard small network (Vinyals et al. 2016), normalised per example."""

from typing import cast

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn

from models.encoders.stem import pooled_stem


class Conv4(nn.Module):
    """Four blocks of 3x3 convolution, group norm and ReLU over glyphs; no statistic crosses examples.

    Each block halves the sides: by max pooling, or `strided`, by the convolution itself as MAML has it on Omniglot
    (Finn et al. 2017): a quarter of the cost, and no maximum whose winner flips on rounding.
    """

    def __init__(self, channels: int = 64, groups: int = 8, strided: bool = False) -> None:
        super().__init__()
        self.strided = strided
        stride = 2 if strided else 1
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(fan_in, channels, 3, stride=stride, padding=1),
                nn.GroupNorm(groups, channels),
                nn.ReLU(),
                nn.Identity() if strided else nn.MaxPool2d(2),
            )
            for fan_in in (1, channels, channels, channels)
        )

    def forward(self, glyphs: UInt8[Tensor, "B H W"]) -> Float[Tensor, "B D"]:
        """Features of each glyph, ink 255 on black 0: the mean over what is left of the plane."""
        dtype = next(self.parameters()).dtype
        planes: Shaped[Tensor, "B C h w"] = glyphs.unsqueeze(1).to(dtype) / 255
        for number, block in enumerate(self.blocks):
            conv, norm, relu, pool = cast(nn.Sequential, block)
            if not number and self._is_flat(planes):
                planes = pooled_stem(planes, cast(nn.Conv2d, conv), cast(nn.GroupNorm, norm))
            else:  # under autocast a norm's own precision is the quicker one, too
                planes = relu(pool(norm(conv(planes).to(norm.weight.dtype))))  # a maximum and a ReLU commute
        return planes.mean((2, 3))

    def _is_flat(self, planes: Float[Tensor, "B 1 h w"]) -> bool:
        """Whether gradients of the first order, by these weights and none that a task made of them, are wanted here."""
        own = type(next(self.parameters())) is nn.Parameter and planes.dtype == torch.float32
        return own and not self.strided and torch.is_grad_enabled() and planes.device.type == "cpu"
