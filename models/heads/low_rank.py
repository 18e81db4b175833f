"""Low-rank changes of a frozen network's linear maps (LoRA, Hu et al. 2022), each row of a batch with its own.

Only the second factor changes (LoRA-FA, Zhang et al. 2023): half as much to store, and no worse where it was measured.
"""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from models.heads.with_leaves import with_leaves
from models.types import TaskParams


class LowRank(nn.Module):
    """A linear map, or a convolution of one pixel, plus `down @ up`; `up` is to be replaced by each row's own."""

    down: Float[Tensor, "I R"]
    up: Float[Tensor, "B R O"]

    def __init__(self, inner: nn.Module, fan_out: int, down: Float[Tensor, "I R"]) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("up", down.new_zeros(1, down.shape[1], fan_out), persistent=False)

    def forward(self, rows: Float[Tensor, "B *F"]) -> Float[Tensor, "B *G"]:
        """What the map makes of the rows, and what its change adds."""
        outputs: Tensor = self.inner(rows)
        if rows.ndim == 4:  # channels are the second axis of pictures, and the last of all else
            change = self.up.mT @ (self.down.mT @ rows.flatten(2))
        else:
            change = rows.view(len(rows), -1, rows.shape[-1]) @ self.down @ self.up
        return outputs + change.view(outputs.shape)


def make_adaptable(body: nn.Module, rank: int) -> dict[str, tuple[int, int]]:
    """Put a `LowRank` round every linear map of the body; the leaves that are to be replaced, and their shapes.

    What never changes is drawn from a stream that no library will ever change: tasks are stored without it.
    """
    draw, shapes = np.random.RandomState(0), {}
    for name, module in list(body.named_modules()):
        weight = getattr(module, "weight", None)
        if name and isinstance(weight, Tensor) and _is_linear(module, weight):
            fan_out, fan_in = weight.shape[:2]
            down = torch.from_numpy(draw.standard_normal((fan_in, rank)) / fan_in**0.5).float()
            parent, _, child = name.rpartition(".")
            setattr(body.get_submodule(parent), child, LowRank(module, fan_out, down))
            shapes[f"{name}.up"] = (rank, fan_out)
    return shapes


def through(body: nn.Module, leaves: TaskParams, rows: Shaped[Tensor, "B *F"]) -> Float[Tensor, "B D"]:
    """Rows through the body, each by its own leaves [B, ...]."""
    return with_leaves(body, leaves, rows).float()


def _is_linear(module: nn.Module, weight: Tensor) -> bool:
    """Whether a change of low rank can be added: not to norms, nor to what looks at neighbours."""
    bias = getattr(module, "bias", None)
    has_outputs = isinstance(bias, Tensor) and bias.shape == weight.shape[:1]
    is_pointwise = weight.ndim == 4 and weight.shape[1] > 1 and weight.shape[2:] == (1, 1)
    is_whole = getattr(module, "stride", 1) in (1, (1, 1))
    return isinstance(module, nn.Linear) or (weight.ndim == 2 and has_outputs) or (is_pointwise and is_whole)
