"""What a user would write round the same weights: a module a task, adapted alone, by the same formulas.

Encoder and learned constants are those of kshot's checkpoint, in the precision that the service takes.
"""

import base64
import copy
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.serving.bodies import Prediction
from models import checkpoint, zoo
from models.heads.gradient import Gradient
from models.heads.prior_logistic import PriorLogistic
from models.heads.prototypical import Prototypical
from models.heads.ridge import TINY, Ridge
from models.rules.sgd import SGD
from models.types import Classes, Rows, Support
from service.engine.device import choose_dtype


class OwnHead(nn.Module):
    """A linear layer of one task, on features as they are or of length one."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, labels: Sequence[str], *, is_unit: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)
        self.labels, self.is_unit = list(labels), is_unit

    def forward(self, features: Tensor) -> Tensor:
        """Logits."""
        return F.linear(F.normalize(features, dim=-1) if self.is_unit else features, self.weight, self.bias)


class OwnNet(nn.Module):
    """A whole network of one task, as MAML has it."""

    def __init__(self, body: nn.Module, width: int, labels: Sequence[str]) -> None:
        super().__init__()
        self.body, self.last = copy.deepcopy(body).requires_grad_(True), nn.Linear(width, len(labels))
        self.labels = list(labels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, glyphs: Tensor) -> Tensor:
        """Logits."""
        found: Tensor = self.last(self.body(glyphs))
        return found


OwnTask = OwnHead | OwnNet


class Own:
    """A model as a user would load it, and how a task of it is made."""

    def __init__(self, name: str) -> None:
        torch.set_num_threads(1)
        found = checkpoint.load(Path(zoo.__path__[0]) / name)
        self.inputs: Callable[[Any], Any] = found.inputs
        self.encoder, self.head = found.learner.encoder, found.learner.head
        self.modality = found.card.modality
        if self.modality != "vector":
            self.encoder.to(choose_dtype("auto", torch.device("cpu")))
            self.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def rows(self, inputs: Sequence[Any]) -> Tensor:
        """Inputs as they came, as the encoder takes them."""
        if self.modality == "vector":
            return torch.tensor(inputs, dtype=torch.float32)
        if self.modality == "text":
            tokens = np.stack([self.inputs(text) for text in inputs])
            return torch.from_numpy(tokens[:, : (tokens != 0).sum(1).max()])  # padded to the longest
        pictures = (Image.open(io.BytesIO(base64.b64decode(each["image"]))) for each in inputs)
        return torch.from_numpy(np.stack([self.inputs(each) for each in pictures]))

    @torch.inference_mode()
    def encode(self, rows: Tensor) -> Tensor:
        """Features, of a whole network's tasks the rows themselves."""
        features: Tensor = self.encoder(rows)
        return features.float() if features.is_floating_point() else features

    def adapt(self, inputs: Sequence[Any], labels: Sequence[str]) -> OwnTask:
        """A task of these examples."""
        names = sorted(set(labels))
        classes = torch.tensor([names.index(label) for label in labels])
        if isinstance(self.head, Gradient):
            return trained(self.head, self.rows(inputs), classes, names)
        with torch.inference_mode():
            features = self.encode(self.rows(inputs))
            if isinstance(self.head, Ridge):
                return ridge(self.head, features, classes, names)
            if isinstance(self.head, PriorLogistic):
                return logistic(self.head, features, classes, names)
            assert isinstance(self.head, Prototypical)
            return prototypes(self.head, features, classes, names)

    def predict(self, task: OwnTask, inputs: Sequence[Any]) -> list[Prediction]:
        """A task's answers."""
        with torch.inference_mode():
            return told(task.labels, task(self.encode(self.rows(inputs))))


def told(labels: Sequence[str], logits: Tensor) -> list[Prediction]:
    """Logits as an answer."""
    rows = logits.softmax(-1).tolist()
    return [
        Prediction(label=labels[max(range(len(row)), key=row.__getitem__)], scores=dict(zip(labels, row, strict=True)))
        for row in rows
    ]


def prototypes(head: Prototypical, features: Tensor, classes: Tensor, labels: Sequence[str]) -> OwnHead:
    """The mean direction of each label's examples."""
    unit = F.normalize(features, dim=-1)
    mean = F.one_hot(classes, len(labels)).float().T @ unit
    weight = head.log_scale.exp() * F.normalize(mean, dim=-1)
    return OwnHead(weight, weight.new_zeros(len(labels)), labels, is_unit=True)


def ridge(head: Ridge, features: Tensor, classes: Tensor, labels: Sequence[str]) -> OwnHead:
    """Least squares on indicators, each column in a unit of its own; solved between the examples, which are few."""
    targets, centre = F.one_hot(classes, len(labels)).float(), features.mean(0)
    middle, centred = targets.mean(0), features - centre
    variance = centred.square().mean(0)
    unit = ((torch.lerp(variance, variance.mean(), head.mix.sigmoid()) + TINY) * len(centre)).sqrt()
    scaled = centred / unit
    gram = scaled @ scaled.T + head.log_penalty.exp() * torch.eye(len(scaled))
    change = scaled.T @ torch.cholesky_solve(targets - middle, torch.linalg.cholesky(gram))
    scale = head.log_scale.exp() * len(labels) ** head.power
    weight = scale * change.T / unit
    return OwnHead(weight, scale * middle - weight @ centre, labels, is_unit=False)


def logistic(head: PriorLogistic, features: Tensor, classes: Tensor, labels: Sequence[str]) -> OwnHead:
    """Logistic regression: no user would write another solver than the head has, so it is that, with one task."""
    mask = torch.ones(1, len(features), dtype=torch.bool)
    rows = Rows(features[None], mask, torch.arange(len(features)))
    params = head.adapt(Support(rows, Classes(classes[None], torch.ones(1, len(labels), dtype=torch.bool))))
    found = head.predict(params, _probes(features.shape[1]))
    at_zero, *at_axes = found.values[0]
    return OwnHead(torch.stack(at_axes, 1) - at_zero[:, None], at_zero, labels, is_unit=True)


def _probes(width: int) -> Rows:
    """The origin and each axis: what a linear head says of these is all that it is."""
    values = torch.cat([torch.zeros(1, width), torch.eye(width)])[None]
    return Rows(values, torch.ones(1, width + 1, dtype=torch.bool), torch.arange(width + 1))


def trained(head: Gradient, glyphs: Tensor, classes: Tensor, labels: Sequence[str]) -> OwnNet:
    """A copy of the network after some steps of gradient descent, each leaf by its learned rate."""
    net = OwnNet(head.body, head.width, labels)
    leaves = dict(net.named_parameters())
    rates = _rates(head, leaves)
    for _ in range(head.num_steps):
        loss = F.cross_entropy(net(glyphs), classes)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for leaf, rate, gradient in zip(leaves.values(), rates, gradients, strict=True):
                leaf.sub_(gradient, alpha=rate)
    return net.requires_grad_(False)


def _rates(head: Gradient, leaves: Iterable[str]) -> list[float]:
    assert isinstance(head.rule, SGD)
    rows, rates = head.rule.rows, head.rule.log_rates.exp().tolist()
    return [rates[rows[name.removeprefix("last.")]] for name in leaves]
