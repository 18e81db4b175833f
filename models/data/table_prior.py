"""Small tables made from nothing: how classes hang together with columns, and what columns look like, is all drawn."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from models.data.episodes import Batch, generator
from models.data.table_columns import dressed
from models.data.table_functions import SCORES, integer, network, some, uniform
from models.types import Classes, Support, full_rows

POOL = 512  # rows of which classes are cut
MAX_TRIES = 4


@dataclass(frozen=True)
class TableTasks:
    """Tables of one to `max_columns` columns: numbers, words, holes, columns that say nothing, classes of any size.

    Classes are cut from random functions of hidden causes (linear, additive, networks, trees, products, nearest
    prototypes), or each has rows of its own kind (clouds, words of its own). All tasks of a step are of one size.
    """

    num_tasks: int = 16
    max_columns: int = 64
    max_ways: int = 26
    max_support: int = 130
    max_shots: int = 20
    queries: int = 32
    seed: int = 0
    ways: int | None = None
    shots: int | None = None

    def __call__(self, step: int, tasks: range | None = None) -> Batch:
        """The tasks of one step, or these of them."""
        draw = generator(self.seed, step)
        columns = min(self.max_columns, round(math.exp(uniform(draw, math.log(2), math.log(64)))))
        ways = self.ways or min(self.max_ways, 2 + int(-2.5 * math.log(uniform(draw, 1e-6, 1.0))))
        most = max(1, min(self.max_shots, self.max_support // ways))
        shots = self.shots or max(1, round(math.exp(uniform(draw, 0.0, math.log(most + 0.5)))))
        balanced = self.ways is not None or uniform(draw, 0.0, 1.0) < 0.75
        made = [
            _task(generator(self.seed, step, task), columns, ways, shots, self.queries, balanced)
            for task in tasks or range(self.num_tasks)
        ]
        rows, classes = torch.stack([rows for rows, _ in made]), torch.stack([classes for _, classes in made])
        num = ways * shots
        real = torch.ones(len(made), ways, dtype=torch.bool)
        support = Support(full_rows(rows[:, :num]), Classes(classes[:, :num], real))
        return Batch(support, full_rows(rows[:, num:]), Classes(classes[:, num:], real))


def _task(
    draw: Generator, columns: int, ways: int, shots: int, queries: int, balanced: bool
) -> tuple[Float[Tensor, "R L 3"], Int64[Tensor, "R"]]:
    """Rows of a table, the support first, and their classes."""
    sizes, asked = _sizes(draw, ways, shots, queries, balanced)
    needed = sizes + asked
    for _ in range(MAX_TRIES):
        values, classes = FAMILIES[integer(draw, 0, len(FAMILIES) - 1)](draw, columns, ways)
        classes = _flipped(draw, classes, ways)
        if (torch.bincount(classes, minlength=ways) >= needed).all():
            break
    else:
        values, classes = _clouds(draw, columns, ways)
    support, query = [], []
    for n in range(ways):
        members = torch.nonzero(classes == n).squeeze(1)
        members = members[torch.randperm(len(members), generator=draw)]
        while len(members) < needed[n]:
            members = members.repeat(2)
        support.append(members[: sizes[n]])
        query.append(members[sizes[n] : needed[n]])
    chosen = torch.cat([*support, *query])
    return dressed(draw, values[chosen]), classes[chosen]


def _sizes(draw: Generator, ways: int, shots: int, queries: int, balanced: bool) -> tuple[Tensor, Tensor]:
    """Rows of each class in the support and among the queries; the sums are the same for all tasks of a size."""
    shares = torch.ones(ways) / ways
    if not balanced:
        shares = shares * torch.rand(ways, generator=draw).pow(2).add(0.05)
        shares = shares / shares.sum()
    sizes = torch.ones(ways, dtype=torch.long)
    rest = ways * (shots - 1)
    sizes += (shares * rest).long()
    sizes[int(shares.argmax())] += ways * shots - int(sizes.sum())
    asked = torch.bincount(torch.multinomial(shares, queries, True, generator=draw), minlength=ways)
    return sizes, asked


def _flipped(draw: Generator, classes: Int64[Tensor, "R"], ways: int) -> Int64[Tensor, "R"]:
    """Some labels are wrong, in a few tables."""
    share = max(0.0, uniform(draw, -1.0, 0.25))
    other = torch.randint(ways, classes.shape, generator=draw)
    return torch.where(torch.rand(classes.shape, generator=draw) < share, other, classes)


def _clouds(draw: Generator, columns: int, ways: int) -> tuple[Tensor, Tensor]:
    """Each class is one to four clouds in a hidden space that is mixed into the columns."""
    hidden, clouds = integer(draw, 1, max(2, columns)), integer(draw, 1, 4)
    distance = math.exp(uniform(draw, -0.3, 1.6)) * hidden**-0.25
    centres = distance * torch.randn(ways, clouds, hidden, generator=draw)
    widths = (uniform(draw, 0.0, 0.7) * torch.randn(ways, 1, hidden, generator=draw)).exp()
    rows = -(-POOL // ways)
    chosen = torch.randint(clouds, (ways, rows), generator=draw)
    latent = centres.gather(1, chosen.unsqueeze(-1).expand(-1, -1, hidden))
    latent = (latent + widths * torch.randn(ways, rows, hidden, generator=draw)).flatten(0, 1)
    spectrum = torch.arange(1, hidden + 1).float() ** -uniform(draw, 0.0, 1.5)
    mixing = torch.randn(hidden, columns, generator=draw) * spectrum.unsqueeze(1)
    if uniform(draw, 0.0, 1.0) < 0.5:  # each column shows one cause
        mixing = mixing * (torch.arange(columns) % hidden == torch.arange(hidden).unsqueeze(1))
    values = latent @ mixing
    values = values / values.std(0).clamp(min=1e-6)
    values = values + uniform(draw, 0.0, 1.0) * torch.randn(values.shape, generator=draw)
    return _with_noise(draw, values), torch.arange(ways).repeat_interleave(rows)


def _naive(draw: Generator, columns: int, ways: int) -> tuple[Tensor, Tensor]:
    """Given the class, columns are independent; how much each says of it is very unlike."""
    rows = -(-POOL // ways)
    strength = math.exp(uniform(draw, -0.7, 1.2)) * torch.rand(columns, generator=draw).pow(uniform(draw, 0.0, 4.0))
    means = strength * torch.randn(ways, 1, columns, generator=draw)
    widths = (0.5 * strength.clamp(max=1) * torch.randn(ways, 1, columns, generator=draw)).exp()
    values = means + widths * torch.randn(ways, rows, columns, generator=draw)
    if uniform(draw, 0.0, 1.0) < 0.5:
        values = _drawn_words(draw, strength, ways, rows)
    return values.flatten(0, 1), torch.arange(ways).repeat_interleave(rows)


def _drawn_words(draw: Generator, strength: Float[Tensor, "L"], ways: int, rows: int) -> Float[Tensor, "N R L"]:
    """Columns that have one of a few values each, which ones by the class."""
    levels, columns = integer(draw, 2, 6), len(strength)
    favour = strength * torch.randn(ways, 1, levels, columns, generator=draw) + torch.randn(
        levels, columns, generator=draw
    )
    luck = -torch.rand(ways, rows, levels, columns, generator=draw).clamp(min=1e-6).log()
    return (favour - luck.log()).argmax(2) - levels / 2 + 0.01 * torch.randn(ways, rows, columns, generator=draw)


def _functions(draw: Generator, columns: int, ways: int) -> tuple[Tensor, Tensor]:
    """Columns from hidden causes, classes cut from a random function of some columns."""
    values = _with_noise(draw, _causes(draw, columns))
    relevant = max(1, round(columns * uniform(draw, 0.0, 1.0) ** 2), min(columns, 2))
    chosen = torch.randperm(columns, generator=draw)[:relevant]
    inputs = values[:, chosen] * torch.rand(relevant, generator=draw).pow(uniform(draw, 0.0, 3.0))
    ordered = ways == 2 or uniform(draw, 0.0, 1.0) < 0.35
    kind = integer(draw, 0, len(SCORES) - 1)
    scores = SCORES[kind](draw, inputs, 1 if ordered else ways)
    scores = (scores - scores.mean(0)) / scores.std(0).clamp(min=1e-6)
    noise = max(0.0, uniform(draw, -0.4, 0.5))
    scores = scores + noise * torch.randn(scores.shape, generator=draw)
    if not ordered:
        return values, scores.argmax(1)
    shares = torch.rand(ways, generator=draw).add(0.4).cumsum(0)
    edges = torch.quantile(scores[:, 0], (shares / shares[-1])[:-1])
    return values, torch.bucketize(scores[:, 0].contiguous(), edges)


def _causes(draw: Generator, columns: int) -> Float[Tensor, "R L"]:
    """Columns that hang together: independent, mixed linearly, or nodes of a random network."""
    way = uniform(draw, 0.0, 1.0)
    if way < 0.3:
        return torch.randn(POOL, columns, generator=draw)
    hidden = integer(draw, 1, columns + 2)
    nodes = torch.randn(POOL, hidden, generator=draw)
    if way > 0.65:
        for _ in range(integer(draw, 1, 2)):
            nodes = network(draw, nodes, max(columns, 4))
    values = nodes @ (torch.randn(nodes.shape[1], columns, generator=draw) * some(draw, nodes.shape[1], columns))
    return values / values.std(0).clamp(min=1e-6) + uniform(draw, 0.0, 0.5) * torch.randn(values.shape, generator=draw)


def _with_noise(draw: Generator, values: Float[Tensor, "R L"]) -> Float[Tensor, "R L"]:
    """Some columns say nothing, in some tables."""
    share = max(0.0, uniform(draw, -0.8, 0.7))
    columns = values.shape[1]
    useless = torch.rand(columns, generator=draw) < share
    useless[integer(draw, 0, columns - 1)] = False
    return torch.where(useless, torch.randn(values.shape, generator=draw), values)


FAMILIES = (_clouds, _naive, _functions, _functions, _functions)
