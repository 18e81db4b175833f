"""One step of meta-training on given episodes, three ways: kshot's trainer, learn2learn's modules, a plain loop.

The rivals' network is a Conv-4 of PyTorch's own modules, as anybody writes it; kshot's way to the gradients of its
first block is its own. All compute the same losses and gradients (a test compares both); the loops go task by task, as
their examples do.
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from models.checkpoint import build
from models.data.episodes import full_batch
from models.learner import Learner
from models.training.lanes import Lanes
from models.training.methods import IDENTITY, INNER_STEPS
from models.training.objectives.episodic import episodic

LEARN2LEARN = "KSHOT_LEARN2LEARN"
RATE = 0.1
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Step:
    """One step on all episodes, of the learner `made`."""

    made: Learner
    run: Callable[[], float]

    def __call__(self) -> float:
        """The mean loss, after filling the gradients."""
        return self.run()

    def gradients(self) -> dict[str, Tensor]:
        """Of every parameter that the last call had a gradient for."""
        return {name: leaf.grad for name, leaf in self.made.named_parameters() if leaf.grad is not None}


@dataclass(frozen=True)
class Episodes:
    """Tasks of equal size, class by class: images [T, N, K, H, W]."""

    support: Tensor
    query: Tensor

    def tasks(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Images and labels of each task: support, then query."""
        labels = [torch.arange(each.shape[1]).repeat_interleave(each.shape[2]) for each in (self.support, self.query)]
        support, query = self.support.flatten(1, 2), self.query.flatten(1, 2)
        return [(support[task], labels[0], query[task], labels[1]) for task in range(len(support))]


def learner(method: str, channels: int = 64) -> Learner:
    """The learner of a method, untrained; its rates are fixed, as they are in learn2learn's MAML."""
    shared = {"name": "conv4", "channels": channels}
    rule = {"name": "sgd", "rate": RATE}
    gradient = {"name": "gradient", "width": channels, "rule": rule, "num_steps": INNER_STEPS}
    parts: Mapping[str, Any] = {
        "prototypical": (shared, {"name": "prototypical"}),
        "ridge": (shared, {"name": "ridge"}),
        "anil": (shared, {**gradient, "body": IDENTITY}),
        "maml": (IDENTITY, {**gradient, "body": {**shared, "strided": True}}),
    }
    torch.manual_seed(0)
    return build(*parts[method])


def kshot(
    method: str, episodes: Episodes, channels: int = 64, num_lanes: int = 2, dtype: torch.dtype = torch.float32
) -> Step:
    """As `kshot train` does it: a lane a core, each with its share of the tasks in one batch."""
    made = learner(method, channels)
    trained = nn.ModuleDict({"learner": made, "objective": nn.Module()})
    trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
    lanes = Lanes(trained, partial(episodic, dtype=dtype), num_lanes)
    parts = zip(episodes.support.chunk(num_lanes), episodes.query.chunk(num_lanes), strict=True)
    batches = [full_batch(support, query) for support, query in parts]
    return Step(made, lambda: lanes.backward(batches.__getitem__, 0)[0]["loss"])


def plain(method: str, episodes: Episodes, channels: int = 64, dtype: torch.dtype = torch.float32) -> Step:
    """A loop over tasks in plain PyTorch."""
    made = learner(method, channels)
    ways, tasks = episodes.support.shape[1], episodes.tasks()
    loss = {"prototypical": _prototypical, "ridge": _ridge, "anil": _anil, "maml": _maml}[method]
    return _looped(made, lambda task: loss(made, _encoder(made, dtype), ways, *task), tasks)


def learn2learn(method: str, episodes: Episodes, channels: int = 64, dtype: torch.dtype = torch.float32) -> Step | None:
    """The same with learn2learn's modules, for the methods that it has; None for others, or where it is not there."""
    if LEARN2LEARN not in os.environ or method == "ridge":
        return None
    made: Any = learner(method, channels)
    encode = _encoder(made, dtype)
    ways, tasks = episodes.support.shape[1], episodes.tasks()
    if method == "prototypical":
        classifier = _module("learn2learn.nn.protonet").PrototypicalClassifier

        def prototypical(task: tuple[Tensor, ...]) -> Tensor:
            support, labels, query, asked = task
            features = F.normalize(encode(torch.cat([support, query])), dim=-1)
            judge = classifier(features[: len(support)], labels, distance="cosine")
            return F.cross_entropy(made.head.log_scale.exp() * judge(features[len(support) :]), asked)

        return _looped(made, prototypical, tasks)
    layer = nn.Linear(channels, ways)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    network = layer if method == "anil" else nn.Sequential(made.head.body, layer)
    maml = _module("learn2learn.algorithms.maml").MAML(network, lr=RATE)

    def adapted(task: tuple[Tensor, ...]) -> Tensor:
        support, labels, query, asked = task
        if method == "anil":
            support, query = _both(encode, support, query)
        clone = maml.clone()
        for _ in range(INNER_STEPS):
            clone.adapt(F.cross_entropy(clone(support), labels))
        return F.cross_entropy(clone(query), asked)

    return _looped(made, adapted, tasks)


def _module(name: str) -> ModuleType:
    """A pure Python module of learn2learn's source; the packages above it would import what is compiled."""
    root = Path(os.environ[LEARN2LEARN])
    for package in ("learn2learn", "learn2learn.algorithms", "learn2learn.nn"):
        if package not in sys.modules:
            sys.modules[package] = ModuleType(package)
            sys.modules[package].__path__ = [str(root.joinpath(*package.split(".")))]
    return importlib.import_module(name)


def _looped(made: Learner, loss_of: Callable[[Any], Tensor], tasks: list[Any]) -> Step:
    def step() -> float:
        made.zero_grad()
        total = 0.0
        for task in tasks:
            loss = loss_of(task) / len(tasks)
            torch.autograd.backward(loss)
            total += loss.item()
        return total

    return Step(made, step)


def _encoder(made: Any, dtype: torch.dtype) -> Encode:
    """Conv-4, one module after another; autocast as PyTorch has it, and its features in float32 again."""

    def encode(glyphs: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            planes = glyphs.unsqueeze(1).float() / 255
            for block in made.encoder.blocks:
                planes = block(planes)
            return planes.mean((2, 3)).float()

    return encode


def _both(encode: Encode, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    features = encode(torch.cat([support, query]))
    return features[: len(support)], features[len(support) :]


def _prototypical(
    made: Any, encode: Encode, ways: int, support: Tensor, labels: Tensor, query: Tensor, asked: Tensor
) -> Tensor:
    shown, query = (F.normalize(each, dim=-1) for each in _both(encode, support, query))
    prototypes = F.normalize(torch.stack([shown[labels == way].mean(0) for way in range(ways)]), dim=-1)
    return F.cross_entropy(made.head.log_scale.exp() * query @ prototypes.T, asked)


def _ridge(
    made: Any, encode: Encode, ways: int, support: Tensor, labels: Tensor, query: Tensor, asked: Tensor
) -> Tensor:
    shown, query = (F.normalize(each, dim=-1) for each in _both(encode, support, query))
    targets, centre = F.one_hot(labels, ways).float(), shown.mean(0)
    rows, middle = shown - centre, targets.mean(0)
    gram = rows @ rows.T + made.head.log_penalty.exp() * torch.eye(len(rows))
    outputs = (query - centre) @ (rows.T @ torch.linalg.solve(gram, targets - middle)) + middle
    return F.cross_entropy(made.head.log_scale.exp() * ways**made.head.power * outputs, asked)


def _anil(
    made: Any, encode: Encode, ways: int, support: Tensor, labels: Tensor, query: Tensor, asked: Tensor
) -> Tensor:
    shown, query = _both(encode, support, query)
    layer = [torch.zeros(ways, shown.shape[1], requires_grad=True), torch.zeros(ways, requires_grad=True)]
    for _ in range(INNER_STEPS):
        gradients = torch.autograd.grad(F.cross_entropy(F.linear(shown, *layer), labels), layer, create_graph=True)
        layer = [leaf - RATE * gradient for leaf, gradient in zip(layer, gradients, strict=True)]
    return F.cross_entropy(F.linear(query, *layer), asked)


def _maml(
    made: Any, encode: Encode, ways: int, support: Tensor, labels: Tensor, query: Tensor, asked: Tensor
) -> Tensor:
    body, width = made.head.body, made.head.width
    names = [name for name, _ in body.named_parameters()]
    params = [*body.parameters(), torch.zeros(ways, width, requires_grad=True), torch.zeros(ways, requires_grad=True)]

    def logits(images: Tensor, params: list[Tensor]) -> Tensor:
        features = functional_call(body, dict(zip(names, params[:-2], strict=True)), (images,))
        return F.linear(features, *params[-2:])

    for _ in range(INNER_STEPS):
        gradients = torch.autograd.grad(F.cross_entropy(logits(support, params), labels), params, create_graph=True)
        params = [leaf - RATE * gradient for leaf, gradient in zip(params, gradients, strict=True)]
    return F.cross_entropy(logits(query, params), asked)
