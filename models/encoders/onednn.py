"""Layers whose weights oneDNN has packed once, to serve in bfloat16 on a CPU: torch's own packs them at every call."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

USUAL_ROWS, USUAL_PICTURES = 256, 32  # in a batch: by that oneDNN chooses a layout, which serves others too
MOST_SIZES = 2  # of maps that a convolution is packed for at a time: small ones come alone and side by side
ABREAST, FEW_PLACES = 4, 16  # maps side by side, where each has so few: a row of Intel's matrix unit (AMX)


@runtime_checkable
class Packable(Protocol):
    """A part of an encoder that can keep its weights packed beside themselves."""

    def pack(self) -> None:
        """Do so."""


def pack_weights(encoder: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
    """Make it ready to serve in this type; nothing where that is not bfloat16 on a CPU that computes in it."""
    if dtype == torch.bfloat16 and device.type == "cpu" and is_there():
        for part in encoder.modules():
            if isinstance(part, Packable):
                part.pack()


@cache
def is_there() -> bool:
    """Whether this torch packs and multiplies so, tried on little: the names are its own, and may change."""
    some, maps = torch.ones(16, 16), torch.ones(1, 16, 4, 4, dtype=torch.bfloat16)
    try:
        with torch.inference_mode():
            PackedLinear.of(some, some[0])(some.bfloat16())
            conv = PackedConv.of(nn.Conv2d(16, 16, 3, padding=1, bias=False).eval(), nn.BatchNorm2d(16).eval())
            conv.added(maps, conv(maps, "relu"))
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False


def serves(x: Tensor) -> bool:
    """Whether packed layers take this: it is of their type, and nobody asks for gradients."""
    return x.dtype == torch.bfloat16 and not torch.is_grad_enabled()


@dataclass(frozen=True, eq=False)
class PackedLinear:
    """A linear layer, to the bit as torch's."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Float[Tensor, "O I"], bias: Float[Tensor, "O"]) -> "PackedLinear":
        """That of these weights."""
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16().contiguous(), USUAL_ROWS)
        return cls(packed, bias.bfloat16())

    def __deepcopy__(self, memo: object) -> "PackedLinear":
        """Itself, which nobody changes."""
        return self

    def __call__(self, states: Float[Tensor, "*S I"]) -> Float[Tensor, "*S O"]:
        """What the layer makes of the states."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, "none", [], "")
        return made


@dataclass(frozen=True, eq=False)
class PackedConv:
    """A convolution with the frozen norm behind it folded in, before its weights are rounded.

    It is packed for maps of a size when the first of them come: a layout for others takes many times as long.
    """

    weight: Tensor
    bias: Tensor
    sizes: tuple[Any, ...]  # padding, stride, dilation, groups
    packed: dict[torch.Size, Tensor] = field(default_factory=dict)  # by the height and width of maps

    @classmethod
    def of(cls, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> "PackedConv":
        """That of these layers."""
        assert norm.running_mean is not None and norm.running_var is not None
        statistics = norm.running_mean.float(), norm.running_var.float()
        weight, bias = fuse_conv_bn_weights(
            conv.weight.float(), None, *statistics, norm.eps, norm.weight.float(), norm.bias.float()
        )
        sizes = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        return cls(weight.detach().bfloat16(), bias.detach().bfloat16(), sizes)

    def __deepcopy__(self, memo: object) -> "PackedConv":
        """Itself, which nobody changes."""
        return self

    def __call__(self, maps: Float[Tensor, "B C H W"], then: str = "none") -> Float[Tensor, "B C2 H2 W2"]:
        """The maps convolved; then "relu", say."""
        weight = self._for(maps.shape)
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(maps, weight, self.bias, *self.sizes, then, [], "")
        return made

    def added(self, maps: Float[Tensor, "B C H W"], to: Float[Tensor, "B C2 H2 W2"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The maps convolved and added to others, maybe in their place; what is negative of the sum is nothing."""
        if not self._takes_abreast(maps):
            return self._added(maps, to)
        return _one_by_one(self._added(_abreast(maps), _abreast(to)), len(maps))

    def _takes_abreast(self, maps: Float[Tensor, "B C H W"]) -> bool:
        """Whether oneDNN would read all weights for each of the maps, and fill a part of a tile with it."""
        is_plain = self.sizes == ([1, 1], [1, 1], [1, 1], 1) and self.weight.shape[2:] == (3, 3)
        return is_plain and has_tiles() and maps.shape[2:].numel() <= FEW_PLACES and len(maps) >= ABREAST

    def _added(self, maps: Float[Tensor, "B C H W"], to: Float[Tensor, "B C2 H2 W2"]) -> Float[Tensor, "B C2 H2 W2"]:
        weight = self._for(maps.shape)
        both: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            to, maps, weight, self.bias, *self.sizes, "add", 1.0, "relu", [], ""
        )
        return both

    def _for(self, shape: torch.Size) -> Tensor:
        """The weights for maps of this shape."""
        found = self.packed.get(shape[2:])
        if found is None:
            whole = self.weight.to(memory_format=torch.channels_last).to_mkldnn()
            found = torch.ops.aten.mkldnn_reorder_conv2d_weight(whole, *self.sizes, [USUAL_PICTURES, *shape[1:]])
            if len(self.packed) >= MOST_SIZES:
                self.packed.clear()
            self.packed[shape[2:]] = found
        return found


def _abreast(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B4 C H W4"]:
    """Maps side by side, with a column of nothing behind each; what is missing of the last few is nothing too."""
    missing, (C, H, W) = -len(maps) % ABREAST, maps.shape[1:]
    places = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 0, 1, 0, 0, 0, missing)).view(-1, ABREAST, H, W + 1, C)
    return places.transpose(1, 2).reshape(-1, H, ABREAST * (W + 1), C).permute(0, 3, 1, 2)


def _one_by_one(wide: Float[Tensor, "B4 C H W4"], num: int) -> Float[Tensor, "B C H W"]:
    """So many maps that were side by side."""
    C, H = wide.shape[1:3]
    places = wide.permute(0, 2, 3, 1).view(len(wide), H, ABREAST, -1, C)[:, :, :, :-1]
    return places.transpose(1, 2).flatten(0, 1)[:num].permute(0, 3, 1, 2)


@cache
def has_tiles() -> bool:
    """Whether this CPU has a matrix unit for bfloat16 (AMX), and torch can say so."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))
