"""What no task changes: flat maps [B, *X] -> [B, *F], named in one table."""

from collections.abc import Callable

from torch import nn

from models.encoders.bag import Bag
from models.encoders.conv4 import Conv4
from models.encoders.efficientnet_lite import EfficientNetLite
from models.encoders.identity import Identity
from models.encoders.linear_map import LinearMap
from models.encoders.minilm import MiniLM
from models.encoders.mlp import MLP
from models.encoders.resnet import ResNet
from models.encoders.stems import Stems
from models.encoders.trunk import Trunk
from models.encoders.vision import Vision
from models.encoders.words import Words

ENCODERS: dict[str, Callable[..., nn.Module]] = {
    "identity": Identity,
    "linear_map": LinearMap,
    "mlp": MLP,
    "conv4": Conv4,
    "resnet": ResNet,
    "minilm": MiniLM,
    "efficientnet_lite": EfficientNetLite,
    "vision": Vision,
    "words": Words,
    "bag": Bag,
    "stems": Stems,
    "trunk": Trunk,
}
