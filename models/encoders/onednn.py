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
TILE_ROWS = 16  # of Intel's matrix unit (AMX): maps of fewer places do not keep it busy one by one


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

    def __call__(self, states: Float[Tensor, "*S I"], then: str = "none") -> Float[Tensor, "*S O"]:
        """What the layer makes of the states; then "relu", say."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, then, [], "")
        return made

    def added(self, states: Float[Tensor, "*S I"], to: Float[Tensor, "*S O"]) -> Float[Tensor, "*S O"]:
        """What the layer makes of the states, and others added to it before that is rounded."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise.binary(states, to, self.weight, self.bias, "add")
        return made


@dataclass(frozen=True, eq=False)
class PackedConv:
    """A convolution with the frozen norm behind it folded in, before its weights are rounded.

    It is packed for maps of one size, when the first of them come: a layout for others takes many times as long.
    """

    weight: Tensor
    bias: Tensor
    sizes: tuple[Any, ...]  # padding, stride, dilation, groups
    packed: dict[torch.Size, Tensor | PackedLinear] = field(default_factory=dict)  # by the height and width of maps

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
        if isinstance(weight, PackedLinear):
            return _maps(weight(_patches(maps), then))
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(maps, weight, self.bias, *self.sizes, then, [], "")
        return made

    def added(self, maps: Float[Tensor, "B C H W"], to: Float[Tensor, "B C2 H2 W2"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The maps convolved and added to others, maybe in their place; what is negative of the sum is nothing."""
        weight = self._for(maps.shape)
        if isinstance(weight, PackedLinear):
            return _maps(weight.added(_patches(maps), to.permute(0, 2, 3, 1)).relu_())
        both: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            to, maps, weight, self.bias, *self.sizes, "add", 1.0, "relu", [], ""
        )
        return both

    def _for(self, shape: torch.Size) -> Tensor | PackedLinear:
        """The weights for maps of this shape."""
        found = self.packed.get(shape[2:])
        if found is None:
            found = self._linear() if self._is_better_as_products(shape) else self._packed_for(shape)
            self.packed.clear()
            self.packed[shape[2:]] = found
        return found

    def _packed_for(self, shape: torch.Size) -> Tensor:
        whole = self.weight.to(memory_format=torch.channels_last).to_mkldnn()
        packed: Tensor = torch.ops.aten.mkldnn_reorder_conv2d_weight(whole, *self.sizes, [USUAL_PICTURES, *shape[1:]])
        return packed

    def _is_better_as_products(self, shape: torch.Size) -> bool:
        """Whether oneDNN would read all weights again for each picture, to fill a part of a tile."""
        is_plain = self.sizes == ([1, 1], [1, 1], [1, 1], 1) and self.weight.shape[2:] == (3, 3)
        return has_tiles() and is_plain and shape[2:].numel() <= TILE_ROWS

    def _linear(self) -> PackedLinear:
        return PackedLinear.of(self.weight.permute(0, 2, 3, 1).flatten(1), self.bias)


def _patches(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B H W 9*C"]:
    """What lies round each place of the maps: all channels of each neighbour, whose order is that of memory."""
    height, width = maps.shape[2:]
    places = F.pad(maps, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    return places.unfold(1, height, 1).unfold(2, width, 1).permute(0, 4, 5, 1, 2, 3).flatten(3)


def _maps(places: Float[Tensor, "B H W C"]) -> Float[Tensor, "B C H W"]:
    return places.permute(0, 3, 1, 2)


@cache
def has_tiles() -> bool:
    """Whether this CPU has a matrix unit for bfloat16 (AMX), and torch can say so."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16"))
