"""Random functions of columns: what the classes of made-up tables are cut from."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def _linear(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    return inputs @ torch.randn(inputs.shape[1], outputs, generator=draw)


def _additive(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    """A sum of one bent function a column and output."""
    L = inputs.shape[1]
    place, pace = torch.randn(L, outputs, generator=draw), torch.randn(L, outputs, generator=draw)
    moved = inputs.unsqueeze(-1) - place
    shapes = torch.stack([moved.square(), moved.abs(), (moved > 0).float(), (pace * moved).sin(), moved])
    chosen = torch.randint(len(shapes), (L, outputs), generator=draw)
    bent = shapes.gather(0, chosen.expand(1, len(inputs), -1, -1)).squeeze(0)
    return (bent * torch.randn(L, outputs, generator=draw)).sum(1)


def _networks(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    hidden = network(draw, inputs, integer(draw, 3, 24))
    return hidden @ torch.randn(hidden.shape[1], outputs, generator=draw)


def _trees(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    """Sums of trees that ask the same question everywhere on a level."""
    total = torch.zeros(len(inputs), outputs)
    for _ in range(integer(draw, 1, 3)):
        depth = integer(draw, 1, 4)
        asked = torch.randint(inputs.shape[1], (depth,), generator=draw)
        rows = torch.randint(len(inputs), (depth,), generator=draw)
        answers = inputs[:, asked] > inputs[rows, asked]
        leaf = (answers.long() << torch.arange(depth)).sum(1)
        total = total + torch.randn(2**depth, outputs, generator=draw)[leaf]
    return total + 0.05 * torch.randn(total.shape, generator=draw)


def _products(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    """Sums of products of two columns, and of single ones."""
    pairs = torch.randint(inputs.shape[1], (2, integer(draw, 1, 4)), generator=draw)
    shift = torch.randn(2, pairs.shape[1], generator=draw)
    first, second = inputs[:, pairs[0]] + shift[0], inputs[:, pairs[1]] + shift[1]
    return (first * second) @ torch.randn(pairs.shape[1], outputs, generator=draw)


def _prototypes(draw: Generator, inputs: Float[Tensor, "R L"], outputs: int) -> Float[Tensor, "R O"]:
    """How near the nearest of a few prototypes is."""
    num = integer(draw, 1, 3)
    places = torch.randint(len(inputs), (num * max(outputs, 1),), generator=draw)
    distance = torch.cdist(inputs, inputs[places]).view(len(inputs), -1, num)
    return -distance.amin(-1)


def network(draw: Generator, inputs: Float[Tensor, "R L"], width: int) -> Float[Tensor, "R W"]:
    """One layer of a random network."""
    weights = torch.randn(inputs.shape[1], width, generator=draw) * some(draw, inputs.shape[1], width)
    linear = inputs @ weights / max(1, inputs.shape[1]) ** 0.5 * math.exp(uniform(draw, -0.5, 0.8))
    linear = linear + torch.randn(width, generator=draw)
    bent: Tensor = (linear.tanh, linear.relu, linear.sin, linear.abs)[integer(draw, 0, 3)]()
    return bent


def some(draw: Generator, rows: int, columns: int) -> Float[Tensor, "R L"]:
    """Which connections there are; each column has one at least."""
    kept = torch.rand(rows, columns, generator=draw) < uniform(draw, 0.15, 1.0)
    kept[torch.randint(rows, (columns,), generator=draw), torch.arange(columns)] = True
    return kept.float()


def uniform(draw: Generator, low: float, high: float) -> float:
    """A number between two."""
    return low + (high - low) * torch.rand((), generator=draw).item()


def integer(draw: Generator, low: int, high: int) -> int:
    """A whole number from one to another, both among them."""
    return int(torch.randint(low, high + 1, (), generator=draw))


SCORES = (_linear, _additive, _networks, _trees, _products, _prototypes)
