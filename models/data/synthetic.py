"""Tasks made from nothing, afresh at every step: classes of vectors, and curves in one variable."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from models.data.episodes import Batch, full_batch, generator, split_batch


@dataclass(frozen=True)
class VectorTasks:
    """Classes of vectors whose columns are correlated, of very different spread, and many of them useless.

    A class is one to three clouds in a hidden space of 2 to `dim` directions, whose spreads fall off as a power;
    the hidden space is mixed into `dim` columns, half of the tasks bend them to be positive, and noise is added. In
    half of the tasks every column then gets a unit of its own, as measurements have; the others are like pixels.
    """

    dim: int = 64
    num_tasks: int = 32
    min_ways: int = 2
    max_ways: int = 10
    min_shots: int = 1
    max_shots: int = 10
    queries: int = 5
    seed: int = 0

    def __call__(self, step: int, tasks: range | None = None) -> Batch:
        """The tasks of one step, or these of them: all of the same ways and shots, which vary from step to step."""
        draw = generator(self.seed, step)
        ways, shots = _integer(draw, self.min_ways, self.max_ways), _integer(draw, self.min_shots, self.max_shots)
        draws = [generator(self.seed, step, task) for task in tasks or range(self.num_tasks)]
        rows = torch.stack([self._task(mine, ways, shots + self.queries) for mine in draws])
        return full_batch(rows[:, :, :shots], rows[:, :, shots:])

    def _task(self, draw: Generator, ways: int, rows: int) -> Float[Tensor, "N R D"]:
        hidden, clouds = _integer(draw, 2, self.dim), _integer(draw, 1, 3)
        spectrum: Tensor = torch.arange(1, hidden + 1).float() ** -_uniform(draw, 0.0, 1.5)
        distance = math.exp(_uniform(draw, -1.0, 2.0)) * hidden**-0.25
        centres = distance * torch.randn(ways, clouds, hidden, generator=draw)
        chosen = torch.randint(clouds, (ways, rows), generator=draw)
        latent = centres.gather(1, chosen.unsqueeze(-1).expand(-1, -1, hidden))
        latent = (latent + torch.randn(ways, rows, hidden, generator=draw)) * spectrum
        mixing = torch.randn(hidden, self.dim, generator=draw) * (torch.rand(self.dim, generator=draw) < 0.8)
        columns: Tensor = latent @ mixing / spectrum.norm()
        if _uniform(draw, 0.0, 1.0) < 0.5:
            columns = (columns - torch.randn(self.dim, generator=draw)).relu()
        columns = columns + _uniform(draw, 0.0, 0.5) * torch.randn(columns.shape, generator=draw)
        unit: Tensor = (2 * _integer(draw, 0, 1) * torch.randn(self.dim, generator=draw)).exp()
        return columns * unit


HALF = 5.0  # curves are of unit spread from minus this to this
FAR = 4  # one query of so many may lie beyond


@dataclass(frozen=True)
class CurveTasks:
    """Noisy points on curves: sinusoids, lines, parabolas, growth, Gaussian processes of many length scales.

    The support lies in a part of [-5, 5], at random or in even steps; queries lie anywhere in it, one of FAR of them
    anywhere in [-reach, reach].
    """

    num_tasks: int = 64
    min_shots: int = 2
    max_shots: int = 20
    queries: int = 20
    seed: int = 0
    reach: float = HALF

    def __call__(self, step: int, tasks: range | None = None) -> Batch:
        """The tasks of one step, or these of them: all of the same number of shots, which varies from step to step."""
        shots = _integer(generator(self.seed, step), self.min_shots, self.max_shots)
        draws = [generator(self.seed, step, task) for task in tasks or range(self.num_tasks)]
        inputs, values = zip(*(self._curve(draw, shots) for draw in draws), strict=True)
        return split_batch(torch.stack(inputs), torch.stack(values), shots)

    def _curve(self, draw: Generator, shots: int) -> tuple[Float[Tensor, "R 1"], Float[Tensor, "R 1"]]:
        """Inputs and noisy targets: a curve of unit spread over [-5, 5], at a level of its own."""
        near = 2 * torch.rand(self.queries, 1, generator=draw) - 1
        is_far = torch.arange(self.queries).unsqueeze(1) % FAR == FAR - 1
        inputs = torch.cat([_places(draw, shots), torch.where(is_far, self.reach, HALF) * near])
        curve = FAMILIES[_integer(draw, 0, len(FAMILIES) - 1)](draw, inputs)
        curve = curve / curve[inputs.abs() <= HALF].std()
        noise = _uniform(draw, 0.0, 1.0) ** 2 * MAX_NOISE
        level = torch.randn((), generator=draw)
        return inputs, curve + level + noise * torch.randn(inputs.shape, generator=draw)


def _places(draw: Generator, shots: int) -> Float[Tensor, "R 1"]:
    """Where a support has its points: at random, or a grid, over a part of the range."""
    width = 2 * HALF * _uniform(draw, LEAST_PART, 1.0)
    first = _uniform(draw, -HALF, HALF - width)
    grid = torch.arange(shots).unsqueeze(1) / max(1, shots - 1)
    at_random = torch.rand(shots, 1, generator=draw)
    return first + width * (grid if _uniform(draw, 0.0, 1.0) < SHARE_OF_GRIDS else at_random)


LEAST_PART = 0.7  # of the range that a support is spread over
SHARE_OF_GRIDS = 0.3
MAX_NOISE = 0.4  # standard deviation, as a share of the curve's own


def _sinusoid(draw: Generator, x: Float[Tensor, "R 1"]) -> Float[Tensor, "R 1"]:
    return (math.exp(_uniform(draw, -1.0, 1.0)) * x + _uniform(draw, 0.0, 2 * math.pi)).sin()


def _line(draw: Generator, x: Float[Tensor, "R 1"]) -> Float[Tensor, "R 1"]:
    return x if _uniform(draw, 0.0, 1.0) < 0.5 else -x


def _parabola(draw: Generator, x: Float[Tensor, "R 1"]) -> Float[Tensor, "R 1"]:
    return (x - _uniform(draw, -5.0, 5.0)).square() * (1 if _uniform(draw, 0.0, 1.0) < 0.5 else -1)


def _growth(draw: Generator, x: Float[Tensor, "R 1"]) -> Float[Tensor, "R 1"]:
    """An exponential, a logarithm or a logistic curve, rising or falling, from either end."""
    share, rate = (x + 5) / 10, math.exp(_uniform(draw, 0.0, 2.3))
    share = share if _uniform(draw, 0.0, 1.0) < 0.5 else 1 - share
    middle = _uniform(draw, 0.0, 1.0)
    grown = ((rate * share).exp(), (rate * share.relu()).log1p(), (2 * rate * (share - middle)).sigmoid())
    return grown[_integer(draw, 0, 2)] * (1 if _uniform(draw, 0.0, 1.0) < 0.5 else -1)


def _process(draw: Generator, x: Float[Tensor, "R 1"]) -> Float[Tensor, "R 1"]:
    """A Gaussian process with a squared-exponential kernel, by 128 random Fourier features."""
    length = math.exp(_uniform(draw, math.log(0.7), math.log(5.0)))
    frequency = torch.randn(1, 128, generator=draw) / length
    phase = 2 * math.pi * torch.rand(128, generator=draw)
    return (x @ frequency + phase).cos() @ torch.randn(128, 1, generator=draw)


FAMILIES = (_sinusoid, _line, _parabola, _growth, _process, _process)


def _uniform(draw: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=draw))


def _integer(draw: Generator, low: int, high: int) -> int:
    """From low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=draw))
