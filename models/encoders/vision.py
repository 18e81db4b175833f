"""Any image encoder of the library transformers, by the name of its base: a folder with a configuration and weights."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from models.bases import MissingBase, find
from models.encoders.efficientnet_lite import Projection

WEIGHTS, CONFIGURATION = "model.safetensors", "config.json"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours: what most encoders were shown


class Vision(nn.Module):
    """Colour pictures -> the encoder's features at unit length; with `width`, what a trained projection makes of them.

    `config.json` and `model.safetensors` lie in the folder `base` of KSHOT_BASES. The weights are frozen and not saved.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        base: str,
        *,
        width: int | None = None,
        mean: Sequence[float] = MEAN,
        deviation: Sequence[float] = DEVIATION,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.network = _network(base, sha256)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        sizes = self.network.config
        self.width_in: int = getattr(sizes, "hidden_size", None) or sizes.hidden_sizes[-1]
        self.projection = Projection(self.width_in, width) if width else None

    def forward(self, pictures: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B D"]:
        """Features of pictures of 0..255."""
        colours = (pictures.permute(0, 3, 1, 2).to(self.mean.dtype) / 255 - self.mean) / self.deviation
        told = self.network(pixel_values=colours)
        pooled = getattr(told, "pooler_output", None)
        features = told.last_hidden_state.mean(1) if pooled is None else pooled
        described = F.normalize(features.flatten(1).float(), dim=-1)
        return described if self.projection is None else self.projection(described)


def _network(base: str, sha256: str | None) -> Any:
    """The library's own network, its weights held as buffers that no checkpoint saves. Raises MissingBase."""
    try:
        from transformers import AutoModel
    except ImportError:
        raise MissingBase(f"The encoder {base!r} needs the package transformers: pip install transformers.") from None
    folder = find(base, WEIGHTS, sha256).parent
    find(base, CONFIGURATION)
    network = AutoModel.from_pretrained(str(folder), local_files_only=True, use_safetensors=True).eval()
    for part in network.modules():
        for name, weight in [*part.named_parameters(recurse=False)]:
            delattr(part, name)
            part.register_buffer(name, weight.detach(), persistent=False)
        part._non_persistent_buffers_set.update(part._buffers)
    return network
