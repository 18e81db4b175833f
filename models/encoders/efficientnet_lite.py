"""EfficientNet-Lite0 (Tan & Le 2019, Liu 2020): its weights lie in a base; batch norms are folded into convolutions."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from models.bases import find

WEIGHTS = "efficientnet-lite0-57934424.pth"
NORM_EPS = 1e-3
STAGES = (  # blocks, kernel, stride of the first, expansion, channels in, channels out
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
NUM_BLOCKS = sum(stage[0] for stage in STAGES)
CHANNELS = tuple(num_out for number, *_, num_out in STAGES for _ in range(number))  # after each block
WIDTH = 1280
DEEPEST_TAP = 10  # below it nothing is worth adapting
TAP_SHARE = 0.5  # length of a mean of maps beside the roots of the features


class Convolution(nn.Module):
    """A convolution with its frozen batch norm folded in, padded as TensorFlow pads: more below and to the right."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self, weights: Mapping[str, Tensor], name: str, norm: str, stride: int = 1, clipped: bool = True
    ) -> None:
        super().__init__()
        scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + NORM_EPS).sqrt()
        kernel = weights[f"{name}.weight"]
        self.register_buffer("weight", kernel * scale[:, None, None, None], persistent=False)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        self.register_buffer("bias", bias, persistent=False)
        self.groups = len(kernel) if kernel.shape[1] == 1 else 1
        self.stride, self.clipped = stride, clipped

    def forward(self, maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The maps convolved and, unless the block ends here, clipped to 0..6."""
        size = self.weight.shape[-1]
        around = size // 2
        if self.stride > 1:
            vertical, horizontal = (_margins(length, size, self.stride) for length in maps.shape[2:])
            maps, around = F.pad(maps, (*horizontal, *vertical)), 0
        maps = F.conv2d(maps, self.weight, self.bias, self.stride, around, groups=self.groups)
        return F.relu6(maps) if self.clipped else maps


class Block(nn.Module):
    """Channels widened, each convolved by itself, and narrowed again (Sandler et al. 2018); added to what it got."""

    def __init__(self, weights: Mapping[str, Tensor], name: str, stride: int, is_wider: bool, is_added: bool) -> None:
        super().__init__()
        parts = [Convolution(weights, f"{name}._expand_conv", f"{name}._bn0")] if is_wider else []
        parts.append(Convolution(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        parts.append(Convolution(weights, f"{name}._project_conv", f"{name}._bn2", clipped=False))
        self.parts, self.is_added = nn.Sequential(*parts), is_added

    def forward(self, maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The maps one block up."""
        made: Tensor = self.parts(maps)
        return maps + made if self.is_added else made


class Projection(nn.Module):
    """Descriptions seen from a centre, in the directions that tell classes apart: all that is trained and saved."""

    def __init__(self, width: int, num_out: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(width))
        self.weight = nn.Parameter(torch.eye(width, num_out))

    def forward(self, described: Float[Tensor, "B D"]) -> Float[Tensor, "B O"]:
        """The features as a head takes them, in single precision: the directions differ much in size."""
        return (described.float() - self.centre.float()) @ self.weight.float()


class EfficientNetLite(nn.Module):
    """Colour pictures -> features, or the maps of a cut encoder: blocks from `first` up to before `last`.

    Features are the 1,280 by which the classes of ImageNet are told apart. A description joins to their roots the
    means of the maps after the blocks `taps`; with `width`, a trained projection makes so many features of it.
    With `first` it is the upper part of a cut encoder and takes maps: `output="maps"` of the lower part.
    """

    def __init__(
        self,
        base: str = "efficientnet_lite0",
        *,
        output: str = "features",
        first: int = 0,
        last: int = NUM_BLOCKS,
        taps: Sequence[int] = (),
        width: int | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        if output not in ("features", "description", "maps"):
            raise ValueError(f"the output is features, a description or maps, not {output!r}")
        if taps and min(taps) < first - 1:
            raise ValueError(f"block {min(taps)} lies below the cut at {first}")
        weights = load_weights(find(base, WEIGHTS, sha256))
        self.output, self.first, self.taps = output, first, tuple(taps)
        self.opening = Convolution(weights, "_conv_stem", "_bn0", 2) if not first else None
        self.blocks = nn.Sequential(*_blocks(weights)[first:last])
        self.closing = Convolution(weights, "_conv_head", "_bn1") if output != "maps" else None
        width_in = WIDTH + sum(CHANNELS[place] for place in taps)
        self.projection = Projection(width_in, width) if width else None
        self.num_features = width or (WIDTH if output == "features" else width_in)

    def forward(self, pictures: Shaped[Tensor, "B *X"]) -> Float[Tensor, "B *F"]:
        """Features [B D] of pictures [B H W 3] of 0..255, or maps [B C H W]."""
        maps = self.opened(pictures)
        means = [maps.mean((2, 3))] if self.first - 1 in self.taps else []
        for place, block in enumerate(self.blocks, self.first):
            maps = block(maps)
            if place in self.taps:
                means.append(maps.mean((2, 3)))
        if self.closing is None:
            return maps
        features: Tensor = self.closing(maps).mean((2, 3))
        if self.output == "features" and self.projection is None:
            return features
        described = description(features, means)
        return described if self.projection is None else self.projection(described)

    def opened(self, pictures: Shaped[Tensor, "B *X"]) -> Float[Tensor, "B C H W"]:
        """The first maps of pictures; the upper part of a cut encoder is given maps."""
        if self.opening is None:
            return pictures
        scaled = (pictures.to(self.opening.weight.dtype) - 127) / 128
        maps: Tensor = self.opening(scaled.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last))
        return maps

    def split(self) -> tuple["EfficientNetLite", "EfficientNetLite"]:
        """A stem that shares these weights and gives maps, and the tail above it, down to the first tap."""
        below = min((DEEPEST_TAP, *self.taps)) + 1 - self.first
        stem, tail = copy.copy(self), copy.copy(self)
        stem._modules = {"opening": self.opening, "blocks": self.blocks[:below], "closing": None, "projection": None}
        stem.output, stem.taps = "maps", ()
        tail._modules = {**self._modules, "opening": None, "blocks": self.blocks[below:]}
        tail.first = self.first + below
        return stem, tail


def description(features: Float[Tensor, "B D"], means: Sequence[Float[Tensor, "B _"]]) -> Float[Tensor, "B E"]:
    """Roots of the features, so that no single large one decides (Perronnin et al. 2010), and means; at unit length."""
    roots = F.normalize(features.float().clamp(min=0).sqrt(), dim=-1)
    return F.normalize(
        torch.cat([roots, *(TAP_SHARE * F.normalize(mean.float(), dim=-1) for mean in means)], -1), dim=-1
    )


def load_weights(path: Path) -> Mapping[str, Tensor]:
    """The weights in this file, whose SHA-256 the base has checked; the one file of its format that is ever read.

    `weights_only` reads tensors and refuses whatever else such a file could hold.
    """
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _blocks(weights: Mapping[str, Tensor]) -> list[Block]:
    found: list[Block] = []
    for number, _, stride, expansion, num_in, num_out in STAGES:
        for place in range(number):
            is_added = place > 0 or (stride == 1 and num_in == num_out)
            name = f"_blocks.{len(found)}"
            found.append(Block(weights, name, stride if place == 0 else 1, expansion > 1, is_added))
    return found


def _margins(length: int, size: int, stride: int) -> tuple[int, int]:
    """Rows of zeros before and behind, so that every stride-th row is the middle of a window."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2
